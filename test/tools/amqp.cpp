// amqp: declares queues, publishes, takes and holds messages on a real broker, for the tests and the demo,
// thousands in a second. A client like any other: what it does wrong the broker refuses, and then it exits
// with 1.
//
// Usage: amqp PORT USER PASSWORD VHOST COMMAND... [, COMMAND...]     on 127.0.0.1, in turn, on one connection
//   declare QUEUE [durable|transient|auto_delete|exclusive] [KEY=VALUE ...]     digits are sent as a number
//   bind QUEUE EXCHANGE ROUTING_KEY
//   publish QUEUE COUNT [BYTES]   persistent, with publisher confirms; prints COUNT
//   number QUEUE COUNT [BYTES]    the same, with bodies 1, 2, 3 ... filled up with blanks
//   rich QUEUE                    publishes a message with every property and every type of header
//   get QUEUE COUNT               takes and acknowledges up to COUNT; prints how many
//   dump QUEUE COUNT              the same; of each prints exchange, routing key, properties in hexadecimal
//   (librabbitmq's
//                                 encoding), size of the body, and its beginning
//   exclusive QUEUE               consumes exclusively, with a prefetch of 1, and acknowledges nothing
//   consume QUEUE COUNT           takes COUNT and does not acknowledge them
//   count QUEUE                   prints how many messages are ready; unlike the management API's, this
//   number is
//                                 never late
//   delete QUEUE                  prints how many messages went with it
//   hold                          prints `holding`, and keeps the connection until standard input ends
#if __has_include(<rabbitmq-c/amqp.h>)
#include <rabbitmq-c/amqp.h>
#include <rabbitmq-c/tcp_socket.h>
#else
#include <amqp.h>
#include <amqp_tcp_socket.h>
#endif

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <set>
#include <string>
#include <string_view>
#include <sys/time.h>
#include <unistd.h>
#include <vector>

namespace {

using Words = std::vector<std::string>;

constexpr amqp_channel_t channel = 1;

[[noreturn]] void fail(const std::string& what) {
    std::fprintf(stderr, "amqp: %s\n", what.c_str());
    std::exit(1);
}

std::string_view text(amqp_bytes_t bytes) {
    return {static_cast<const char*>(bytes.bytes), bytes.len};
}

// librabbitmq only reads what it is given to send, but its bytes are not const
amqp_bytes_t bytes(const std::string& value) {
    return {value.size(), const_cast<char*>(value.data())};
}

std::string reason(const amqp_rpc_reply_t& reply) {
    if (reply.reply_type == AMQP_RESPONSE_LIBRARY_EXCEPTION) {
        return amqp_error_string2(reply.library_error);
    }
    if (reply.reply.id == AMQP_CHANNEL_CLOSE_METHOD) {
        return std::string(text(static_cast<amqp_channel_close_t*>(reply.reply.decoded)->reply_text));
    }
    if (reply.reply.id == AMQP_CONNECTION_CLOSE_METHOD) {
        return std::string(text(static_cast<amqp_connection_close_t*>(reply.reply.decoded)->reply_text));
    }
    return "unexpected answer";
}

void must(const amqp_rpc_reply_t& reply, const std::string& what) {
    if (reply.reply_type != AMQP_RESPONSE_NORMAL) {
        fail(what + ": " + reason(reply));
    }
}

template <class Number> bool to_number(std::string_view word, Number& number) {
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), number);
    return error == std::errc() && end == word.data() + word.size();
}

std::uint64_t count_of(const Words& words, std::size_t at) {
    std::uint64_t count = 0;
    if (at >= words.size() || !to_number(words[at], count)) {
        fail(words[0] + " needs a count");
    }
    return count;
}

const std::string& word_of(const Words& words, std::size_t at) {
    if (at >= words.size()) {
        fail(words[0] + " needs more words");
    }
    return words[at];
}

class Client {
public:
    Client(const char* port, const char* user, const char* password, const char* vhost)
        : connection_(amqp_new_connection()), user_(user) {
        int number = 0;
        amqp_socket_t* socket = amqp_tcp_socket_new(connection_);
        if (socket == nullptr || !to_number(port, number) ||
            amqp_socket_open(socket, "127.0.0.1", number) != 0) {
            fail(std::string("cannot connect to port ") + port);
        }
        must(amqp_login(connection_, vhost, 0, 131072, 0, AMQP_SASL_METHOD_PLAIN, user, password), "login");
        amqp_channel_open(connection_, channel);
        answered("channel");
    }
    Client(const Client&) = delete;
    Client& operator=(const Client&) = delete;
    ~Client() {
        amqp_connection_close(connection_, AMQP_REPLY_SUCCESS);
        amqp_destroy_connection(connection_);
    }

    void declare(const Words& words) {
        bool durable = true;
        bool exclusive = false;
        bool auto_delete = false;
        std::vector<amqp_table_entry_t> arguments;
        std::deque<std::string> keys; // the entries point into it
        for (std::size_t i = 2; i < words.size(); ++i) {
            const std::size_t equals = words[i].find('=');
            if (equals != std::string::npos) {
                keys.push_back(words[i].substr(0, equals));
                amqp_table_entry_t entry{bytes(keys.back()), {}};
                keys.push_back(words[i].substr(equals + 1));
                if (to_number(keys.back(), entry.value.value.i64)) {
                    entry.value.kind = AMQP_FIELD_KIND_I64;
                } else if (keys.back() == "true" || keys.back() == "false") {
                    entry.value.kind = AMQP_FIELD_KIND_BOOLEAN;
                    entry.value.value.boolean = keys.back() == "true";
                } else {
                    entry.value.kind = AMQP_FIELD_KIND_UTF8;
                    entry.value.value.bytes = bytes(keys.back());
                }
                arguments.push_back(entry);
            } else if (words[i] == "transient") {
                durable = false;
            } else if (words[i] == "exclusive") {
                exclusive = true;
            } else if (words[i] == "auto_delete") {
                auto_delete = true;
            } else if (words[i] != "durable") {
                fail("declare knows no " + words[i]);
            }
        }
        amqp_queue_declare(connection_, channel, bytes(word_of(words, 1)), 0, durable, exclusive, auto_delete,
                           {static_cast<int>(arguments.size()), arguments.data()});
        answered("declare " + words[1]);
    }

    void bind(const Words& words) {
        amqp_queue_bind(connection_, channel, bytes(word_of(words, 1)), bytes(word_of(words, 2)),
                        bytes(word_of(words, 3)), amqp_empty_table);
        answered("bind " + words[1]);
    }

    void publish(const Words& words, bool numbered) {
        constexpr std::uint64_t window =
            500; // unconfirmed at once: few enough not to fill the socket both ways
        const std::uint64_t count = count_of(words, 2);
        std::string body(words.size() > 3 ? count_of(words, 3) : 100, 'x');
        amqp_basic_properties_t properties{};
        properties._flags = AMQP_BASIC_DELIVERY_MODE_FLAG;
        properties.delivery_mode = 2;
        for (std::uint64_t i = 0; i < count; ++i) {
            if (numbered) {
                const std::string number = std::to_string(i + 1);
                body.assign(std::max(body.size(), number.size()), ' ');
                body.replace(0, number.size(), number);
            }
            send(words[1], properties, body);
            while (unconfirmed_.size() >= window) {
                await_confirm(words[1]);
            }
        }
        while (!unconfirmed_.empty()) {
            await_confirm(words[1]);
        }
        std::printf("%llu\n", static_cast<unsigned long long>(count));
    }

    // Nested, of all types, with a key of one letter that is not ASCII, and with text that is no UTF-8.
    void rich(const Words& words) {
        std::vector<amqp_table_entry_t> entries;
        const auto add = [&](const char* key, amqp_field_value_kind_t kind, auto set) {
            amqp_table_entry_t entry{amqp_cstring_bytes(key), {}};
            entry.value.kind = static_cast<std::uint8_t>(kind);
            set(entry.value.value);
            entries.push_back(entry);
        };
        amqp_field_value_t items[2] = {};
        items[0].kind = AMQP_FIELD_KIND_UTF8;
        items[0].value.bytes = amqp_cstring_bytes("in an array");
        items[1].kind = AMQP_FIELD_KIND_VOID;
        amqp_table_entry_t inner{amqp_cstring_bytes("deep"), {}};
        inner.value.kind = AMQP_FIELD_KIND_ARRAY;
        inner.value.value.array = {2, items};
        char raw[] = {0, static_cast<char>(0xFF), 'x'};
        add("bool", AMQP_FIELD_KIND_BOOLEAN, [](auto& v) { v.boolean = 1; });
        add("i8", AMQP_FIELD_KIND_I8, [](auto& v) { v.i8 = -7; });
        add("u8", AMQP_FIELD_KIND_U8, [](auto& v) { v.u8 = 250; });
        add("i16", AMQP_FIELD_KIND_I16, [](auto& v) { v.i16 = -30000; });
        add("u16", AMQP_FIELD_KIND_U16, [](auto& v) { v.u16 = 60000; });
        add("i32", AMQP_FIELD_KIND_I32, [](auto& v) { v.i32 = -2000000000; });
        add("u32", AMQP_FIELD_KIND_U32, [](auto& v) { v.u32 = 4000000000; });
        add("i64", AMQP_FIELD_KIND_I64, [](auto& v) { v.i64 = INT64_MIN; });
        add("f32", AMQP_FIELD_KIND_F32, [](auto& v) { v.f32 = 0.1F; });
        add("f64", AMQP_FIELD_KIND_F64, [](auto& v) { v.f64 = 0.1; });
        add("decimal", AMQP_FIELD_KIND_DECIMAL, [](auto& v) { v.decimal = {2, 1234}; });
        add("time", AMQP_FIELD_KIND_TIMESTAMP, [](auto& v) { v.u64 = 1700000000; });
        add("\xc3\xa9", AMQP_FIELD_KIND_UTF8, [](auto& v) { v.bytes = amqp_cstring_bytes("text"); });
        add("not utf8", AMQP_FIELD_KIND_UTF8, [&raw](auto& v) { v.bytes = {sizeof raw, raw}; });
        add("void", AMQP_FIELD_KIND_VOID, [](auto&) {});
        add("bytes", AMQP_FIELD_KIND_BYTES, [&raw](auto& v) { v.bytes = {sizeof raw, raw}; });
        add("table", AMQP_FIELD_KIND_TABLE, [&inner](auto& v) { v.table = {1, &inner}; });
        amqp_basic_properties_t properties{};
        properties._flags = 0xFFFC & ~static_cast<amqp_flags_t>(AMQP_BASIC_CLUSTER_ID_FLAG);
        properties.content_type = amqp_cstring_bytes("text/plain");
        properties.content_encoding = amqp_cstring_bytes("identity");
        properties.headers = {static_cast<int>(entries.size()), entries.data()};
        properties.delivery_mode = 2;
        properties.priority = 3;
        properties.correlation_id = amqp_cstring_bytes("correlation");
        properties.reply_to = amqp_cstring_bytes("reply");
        properties.expiration = amqp_cstring_bytes("3600000");
        properties.message_id = amqp_cstring_bytes("id");
        properties.timestamp = 1700000001;
        properties.type = amqp_cstring_bytes("type");
        properties.user_id = bytes(user_);
        properties.app_id = amqp_cstring_bytes("app");
        const std::string body("not utf8 \xff and a \0 in it", 24);
        send(words[1], properties, body);
        while (!unconfirmed_.empty()) {
            await_confirm(words[1]);
        }
    }

    void count(const Words& words) {
        const amqp_queue_declare_ok_t* queue =
            amqp_queue_declare(connection_, channel, bytes(words[1]), 1, 0, 0, 0, amqp_empty_table);
        must(amqp_get_rpc_reply(connection_), "count " + words[1]);
        std::printf("%u\n", queue->message_count);
    }

    void dump(const Words& words) {
        const std::uint64_t count = count_of(words, 2);
        for (std::uint64_t i = 0; i < count; ++i) {
            amqp_maybe_release_buffers(connection_);
            const amqp_rpc_reply_t reply = amqp_basic_get(connection_, channel, bytes(words[1]), 0);
            must(reply, "get from " + words[1]);
            if (reply.reply.id == AMQP_BASIC_GET_EMPTY_METHOD) {
                break;
            }
            const auto* got = static_cast<amqp_basic_get_ok_t*>(reply.reply.decoded);
            const std::uint64_t tag = got->delivery_tag;
            const std::string where =
                std::string(text(got->exchange)) + " " + std::string(text(got->routing_key));
            amqp_message_t message;
            must(amqp_read_message(connection_, channel, &message, 0), "get from " + words[1]);
            std::vector<char> room(1 << 17);
            const int size =
                amqp_encode_properties(AMQP_BASIC_CLASS, &message.properties, {room.size(), room.data()});
            std::printf("%s ", where.c_str());
            for (int at = 0; at < size; ++at) {
                std::printf("%02x", static_cast<unsigned char>(room[static_cast<std::size_t>(at)]));
            }
            const std::string_view body = text(message.body);
            std::printf(" %zu %.*s\n", body.size(), static_cast<int>(std::min<std::size_t>(body.size(), 10)),
                        body.data());
            amqp_destroy_message(&message);
            amqp_basic_ack(connection_, channel, tag, 0);
        }
    }

    void exclusive(const Words& words) {
        amqp_basic_qos(connection_, channel, 0, 1, 0);
        answered("prefetch");
        amqp_basic_consume(connection_, channel, bytes(words[1]), amqp_empty_bytes, 0, 0, 1,
                           amqp_empty_table);
        answered("consume from " + words[1]);
    }

    void get(const Words& words) {
        const std::uint64_t count = count_of(words, 2);
        std::uint64_t taken = 0;
        while (taken < count) {
            amqp_maybe_release_buffers(connection_);
            const amqp_rpc_reply_t reply = amqp_basic_get(connection_, channel, bytes(words[1]), 0);
            must(reply, "get from " + words[1]);
            if (reply.reply.id == AMQP_BASIC_GET_EMPTY_METHOD) {
                break;
            }
            const std::uint64_t tag = static_cast<amqp_basic_get_ok_t*>(reply.reply.decoded)->delivery_tag;
            amqp_message_t message;
            must(amqp_read_message(connection_, channel, &message, 0), "get from " + words[1]);
            amqp_destroy_message(&message);
            amqp_basic_ack(connection_, channel, tag, 0);
            ++taken;
        }
        std::printf("%llu\n", static_cast<unsigned long long>(taken));
    }

    void consume(const Words& words) {
        const std::uint64_t count = count_of(words, 2);
        amqp_basic_qos(connection_, channel, 0, static_cast<std::uint16_t>(count), 0);
        answered("prefetch");
        amqp_basic_consume(connection_, channel, bytes(words[1]), amqp_empty_bytes, 0, 0, 0,
                           amqp_empty_table);
        answered("consume from " + words[1]);
        for (std::uint64_t i = 0; i < count; ++i) {
            amqp_maybe_release_buffers(connection_);
            amqp_envelope_t envelope;
            must(amqp_consume_message(connection_, &envelope, nullptr, 0), "consume from " + words[1]);
            amqp_destroy_envelope(&envelope);
        }
        std::printf("%llu\n", static_cast<unsigned long long>(count));
    }

    void remove(const Words& words) {
        const amqp_queue_delete_ok_t* deleted =
            amqp_queue_delete(connection_, channel, bytes(word_of(words, 1)), 0, 0);
        answered("delete " + words[1]);
        std::printf("%u\n", deleted->message_count);
    }

private:
    void send(const std::string& queue, const amqp_basic_properties_t& properties, const std::string& body) {
        if (!confirming_) {
            amqp_confirm_select(connection_, channel);
            answered("confirms");
            confirming_ = true;
        }
        if (amqp_basic_publish(connection_, channel, amqp_empty_bytes, bytes(queue), 1, 0, &properties,
                               bytes(body)) != AMQP_STATUS_OK) {
            fail("publish to " + queue);
        }
        unconfirmed_.insert(++published_);
    }

    void answered(const std::string& what) { must(amqp_get_rpc_reply(connection_), what); }

    void await_confirm(const std::string& queue) {
        amqp_frame_t frame;
        timeval limit{30, 0};
        amqp_maybe_release_buffers(connection_);
        const int status = amqp_simple_wait_frame_noblock(connection_, &frame, &limit);
        if (status != AMQP_STATUS_OK) {
            fail("no confirm from " + queue + ": " + amqp_error_string2(status));
        }
        if (frame.frame_type != AMQP_FRAME_METHOD) {
            return; // the header and body of a returned message
        }
        switch (frame.payload.method.id) {
        case AMQP_BASIC_ACK_METHOD: {
            const auto* ack = static_cast<amqp_basic_ack_t*>(frame.payload.method.decoded);
            const auto last = unconfirmed_.upper_bound(ack->delivery_tag);
            unconfirmed_.erase(ack->multiple ? unconfirmed_.begin() : unconfirmed_.find(ack->delivery_tag),
                               last);
            break;
        }
        case AMQP_BASIC_RETURN_METHOD:
            fail("there is no queue " + queue);
        default:
            fail("the broker refused a message for " + queue);
        }
    }

    amqp_connection_state_t connection_;
    std::string user_;
    bool confirming_ = false;
    std::uint64_t published_ = 0;
    std::set<std::uint64_t> unconfirmed_; // confirms may come in any order
};

void run(Client& client, const Words& words) {
    const std::string& command = words[0];
    if (command == "declare") {
        client.declare(words);
    } else if (command == "bind") {
        client.bind(words);
    } else if (command == "publish") {
        client.publish(words, false);
    } else if (command == "number") {
        client.publish(words, true);
    } else if (command == "rich") {
        client.rich(words);
    } else if (command == "dump") {
        client.dump(words);
    } else if (command == "count") {
        client.count(words);
    } else if (command == "exclusive") {
        client.exclusive(words);
    } else if (command == "get") {
        client.get(words);
    } else if (command == "consume") {
        client.consume(words);
    } else if (command == "delete") {
        client.remove(words);
    } else if (command == "hold") {
        std::puts("holding");
        std::fflush(stdout);
        char ignored = 0;
        while (read(STDIN_FILENO, &ignored, 1) > 0) {
        }
    } else {
        fail("no command " + command);
    }
}

} // namespace

int main(int argc, char** argv) {
    if (argc < 6) {
        fail("usage: amqp PORT USER PASSWORD VHOST COMMAND... [, COMMAND...]");
    }
    Client client(argv[1], argv[2], argv[3], argv[4]);
    Words words;
    for (int i = 5; i < argc; ++i) {
        if (std::string_view(argv[i]) != ",") {
            words.emplace_back(argv[i]);
        }
        if ((std::string_view(argv[i]) == "," || i + 1 == argc) && !words.empty()) {
            run(client, words);
            words.clear();
        }
    }
    return 0;
}
