// AMQP wire format; see amqp_wire.hpp.

#include "core/wire/amqp_wire.hpp"

namespace cloudsat::core::amqp {
namespace {

constexpr char frame_end = '\xCE';
constexpr std::uint16_t basic_class = 60;

} // namespace

Framing read_frame(std::string_view bytes, std::size_t frame_max, Frame& frame) noexcept {
    constexpr std::size_t head = frame_overhead - 1;
    if (bytes.size() < head) {
        // A broker with another protocol version answers with its own header and closes the connection.
        return !bytes.empty() && bytes.front() == 'A' ? Framing::broken : Framing::partial;
    }
    Fields fields(bytes);
    const std::uint8_t type = fields.octet();
    frame.channel = fields.word();
    const std::size_t size = fields.dword();
    if ((type < 1 || type > 3) && type != static_cast<std::uint8_t>(FrameType::heartbeat)) {
        return Framing::broken;
    }
    if (size > frame_max - frame_overhead) {
        return Framing::broken;
    }
    frame.type = static_cast<FrameType>(type);
    frame.size = size + frame_overhead;
    if (bytes.size() < frame.size) {
        return Framing::partial;
    }
    frame.payload = bytes.substr(head, size);
    return bytes[head + size] == frame_end ? Framing::whole : Framing::broken;
}

std::uint64_t Fields::number(std::size_t size) noexcept {
    std::uint64_t value = 0;
    for (const char byte : bytes(size)) {
        value = value << 8U | static_cast<unsigned char>(byte);
    }
    return value;
}

std::string_view Fields::bytes(std::size_t size) noexcept {
    if (size > rest_.size()) {
        well_ = false;
        rest_ = {};
        return {};
    }
    const std::string_view taken = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return taken;
}

void FrameWriter::begin_frame(FrameType type, std::uint16_t channel) {
    start_ = out_.size();
    octet(static_cast<std::uint8_t>(type)).word(channel).dword(0); // end() sets the size
}

FrameWriter& FrameWriter::begin(std::uint16_t channel, Method method) {
    begin_frame(FrameType::method, channel);
    return dword(static_cast<std::uint32_t>(method));
}

FrameWriter& FrameWriter::number(std::uint64_t value, int size) {
    for (int shift = (size - 1) * 8; shift >= 0; shift -= 8) {
        out_ += static_cast<char>(value >> static_cast<unsigned>(shift) & 0xFFU);
    }
    return *this;
}

FrameWriter& FrameWriter::short_string(std::string_view value) {
    value = value.substr(0, longest_short_string);
    octet(static_cast<std::uint8_t>(value.size()));
    out_ += value;
    return *this;
}

FrameWriter& FrameWriter::long_string(std::string_view value) {
    dword(static_cast<std::uint32_t>(value.size()));
    out_ += value;
    return *this;
}

void FrameWriter::end() {
    constexpr std::size_t size_at = 3; // after type and channel
    const std::size_t size = out_.size() - start_ - (frame_overhead - 1);
    for (std::size_t i = 0; i < 4; ++i) {
        out_[start_ + size_at + i] = static_cast<char>(size >> (24U - 8U * i) & 0xFFU);
    }
    out_ += frame_end;
}

void FrameWriter::content(std::uint16_t channel, std::string_view properties, std::string_view body,
                          std::size_t frame_max) {
    begin_frame(FrameType::header, channel);
    word(basic_class).word(0).qword(body.size());
    out_ += properties;
    end();
    const std::size_t most = frame_max - frame_overhead;
    while (!body.empty()) {
        const std::string_view piece = body.substr(0, most);
        begin_frame(FrameType::body, channel);
        out_ += piece;
        end();
        body.remove_prefix(piece.size());
    }
}

void FrameWriter::heartbeat() {
    begin_frame(FrameType::heartbeat, 0);
    end();
}

bool read_content_header(std::string_view payload, ContentHeader& header) noexcept {
    Fields fields(payload);
    const bool basic = fields.word() == basic_class;
    fields.word(); // "weight", always 0
    header.body_size = fields.qword();
    header.properties = fields.rest();
    return basic && fields.ok();
}

} // namespace cloudsat::core::amqp
