// The AMQP 0-9-1 wire format, as far as needed to inspect queues, take messages and return them: frames,
// methods, their fields. Pure: no I/O and no connection state (see net/amqp_connection.hpp). It replaces
// librabbitmq, which waits in send() for as long as a broker under a memory alarm blocks it, and before 0.14
// recurses into header tables as deep as a client nested them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace cloudsat::core::amqp {

// Class and method of the protocol as one number: class << 16 | method.
enum class Method : std::uint32_t {
    connection_start = 10 << 16 | 10,
    connection_start_ok = 10 << 16 | 11,
    connection_tune = 10 << 16 | 30,
    connection_tune_ok = 10 << 16 | 31,
    connection_open = 10 << 16 | 40,
    connection_open_ok = 10 << 16 | 41,
    connection_close = 10 << 16 | 50,
    connection_close_ok = 10 << 16 | 51,
    connection_blocked = 10 << 16 | 60,
    connection_unblocked = 10 << 16 | 61,
    channel_open = 20 << 16 | 10,
    channel_open_ok = 20 << 16 | 11,
    channel_flow = 20 << 16 | 20,
    channel_close = 20 << 16 | 40,
    channel_close_ok = 20 << 16 | 41,
    queue_declare = 50 << 16 | 10,
    queue_declare_ok = 50 << 16 | 11,
    queue_delete = 50 << 16 | 40,
    queue_delete_ok = 50 << 16 | 41,
    basic_qos = 60 << 16 | 10,
    basic_qos_ok = 60 << 16 | 11,
    basic_consume = 60 << 16 | 20,
    basic_consume_ok = 60 << 16 | 21,
    basic_cancel = 60 << 16 | 30,
    basic_cancel_ok = 60 << 16 | 31,
    basic_publish = 60 << 16 | 40,
    basic_return = 60 << 16 | 50,
    basic_deliver = 60 << 16 | 60,
    basic_get = 60 << 16 | 70,
    basic_get_ok = 60 << 16 | 71,
    basic_get_empty = 60 << 16 | 72,
    basic_ack = 60 << 16 | 80,
    basic_nack = 60 << 16 | 120,
    confirm_select = 85 << 16 | 10,
    confirm_select_ok = 85 << 16 | 11,
};

enum class FrameType : std::uint8_t { method = 1, header = 2, body = 3, heartbeat = 8 };

struct Frame {
    FrameType type = FrameType::heartbeat;
    std::uint16_t channel = 0;
    std::string_view payload;
    std::size_t size = 0; // of the whole frame
};

inline constexpr std::string_view protocol_header{"AMQP\0\0\x09\x01", 8};
inline constexpr std::size_t frame_overhead = 8; // seven bytes before the payload and one after it
inline constexpr std::size_t smallest_frame_max = 4096;
inline constexpr std::size_t longest_short_string = 255;

// Looks for a frame at the beginning of the bytes. `broken`: not the beginning of a frame, or larger than
// agreed.
enum class Framing : std::uint8_t { whole, partial, broken };
Framing read_frame(std::string_view bytes, std::size_t frame_max, Frame& frame) noexcept;

// Reads consecutive fields, as views of the payload. Missing fields read as empty; ok() reports them.
class Fields {
public:
    explicit Fields(std::string_view bytes) noexcept : rest_(bytes) {}

    std::uint8_t octet() noexcept { return static_cast<std::uint8_t>(number(1)); }
    std::uint16_t word() noexcept { return static_cast<std::uint16_t>(number(2)); }
    std::uint32_t dword() noexcept { return static_cast<std::uint32_t>(number(4)); }
    std::uint64_t qword() noexcept { return number(8); }
    std::string_view bytes(std::size_t size) noexcept;
    std::string_view short_string() noexcept { return bytes(octet()); }
    std::string_view long_string() noexcept { return bytes(dword()); } // also for the bytes of a table

    bool ok() const noexcept { return well_; }
    std::string_view rest() const noexcept { return rest_; }

private:
    std::uint64_t number(std::size_t size) noexcept;

    std::string_view rest_;
    bool well_ = true;
};

// Appends frames to a string. begin() and end() enclose a method; calls in between append its fields. Short
// strings must not be longer than 255 bytes.
class FrameWriter {
public:
    explicit FrameWriter(std::string& out) noexcept : out_(out) {}

    FrameWriter& begin(std::uint16_t channel, Method method);
    FrameWriter& octet(std::uint8_t value) { return number(value, 1); }
    FrameWriter& word(std::uint16_t value) { return number(value, 2); }
    FrameWriter& dword(std::uint32_t value) { return number(value, 4); }
    FrameWriter& qword(std::uint64_t value) { return number(value, 8); }
    FrameWriter& short_string(std::string_view value);
    FrameWriter& long_string(std::string_view value);
    void end();

    // The frames after a basic.publish: header and body, split to fit. `properties` is the flags and the list
    // of values, as in core/wire/amqp_properties.hpp.
    void content(std::uint16_t channel, std::string_view properties, std::string_view body,
                 std::size_t frame_max);
    void heartbeat();

private:
    void begin_frame(FrameType type, std::uint16_t channel);
    FrameWriter& number(std::uint64_t value, int size);

    std::string& out_;
    std::size_t start_ = 0; // of the present frame
};

// The header of a content: the size of the body, and the properties as received.
struct ContentHeader {
    std::uint64_t body_size = 0;
    std::string_view properties;
};
bool read_content_header(std::string_view payload, ContentHeader& header) noexcept;

} // namespace cloudsat::core::amqp
