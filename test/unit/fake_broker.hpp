// Runs test/fake_broker.py for a test: starts it once per process, and steers it. The broker ends with its
// standard input, that is, with this process, however that ends.
#pragma once

#include <arpa/inet.h>
#include <array>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <gtest/gtest.h>
#include <map>
#include <sstream>
#include <string>
#include <string_view>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

namespace cloudsat::test {

class FakeBroker {
public:
    static FakeBroker& instance() {
        static FakeBroker broker;
        return broker;
    }

    ~FakeBroker() {
        close(stdin_);
        if (child_ > 0)
            waitpid(child_, nullptr, 0);
        std::filesystem::remove_all(directory_);
    }

    std::string url(const std::string& path) const { return "http://127.0.0.1:" + word("port") + path; }
    std::string tls_url(const std::string& path) const { return "https://127.0.0.1:" + word("tls") + path; }
    std::string tls_other_url(const std::string& path) const {
        return "https://127.0.0.1:" + word("tls_other") + path;
    }
    std::string word(const std::string& name) const {
        const auto found = words_.find(name);
        return found == words_.end() ? std::string() : found->second;
    }

    // POSTs to the control port and returns the answer's body. Blocking: the control port always answers.
    std::string control(const std::string& path, const std::string& json = "{}") const {
        const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(static_cast<std::uint16_t>(std::stoi(word("control"))));
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        std::string answer;
        if (connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) {
            const auto request = "POST " + path +
                                 " HTTP/1.1\r\ncontent-length: " + std::to_string(json.size()) + "\r\n\r\n" +
                                 json;
            EXPECT_EQ(send(fd, request.data(), request.size(), MSG_NOSIGNAL),
                      static_cast<ssize_t>(request.size()));
            shutdown(fd, SHUT_WR);
            std::array<char, 4096> piece;
            for (ssize_t n; (n = recv(fd, piece.data(), piece.size(), 0)) > 0;)
                answer.append(piece.data(), static_cast<std::size_t>(n));
        }
        close(fd);
        EXPECT_TRUE(answer.starts_with("HTTP/1.1 200")) << path << " " << json << "\n" << answer;
        const auto body = answer.find("\r\n\r\n");
        return body == std::string::npos ? "" : answer.substr(body + 4);
    }

private:
    FakeBroker() {
        std::signal(SIGPIPE, SIG_IGN); // as in a server: OpenSSL writes without MSG_NOSIGNAL
        std::string name = (std::filesystem::temp_directory_path() / "cloudsat-unit-XXXXXX").string();
        directory_ = mkdtemp(name.data());
        start();
        std::istringstream line(read_line());
        for (std::string pair; line >> pair;)
            words_[pair.substr(0, pair.find('='))] = pair.substr(pair.find('=') + 1);
        EXPECT_FALSE(word("port").empty()) << "test/fake_broker.py did not start";
    }

    void start() {
        int in[2], out[2];
        if (pipe2(in, O_CLOEXEC) != 0 || pipe2(out, O_CLOEXEC) != 0)
            std::abort();
        const std::string program = CLOUDSAT_SOURCE_DIR "/test/fake_broker.py";
        child_ = fork();
        if (child_ == 0) {
            dup2(in[0], 0);
            dup2(out[1], 1);
            execlp("python3", "python3", program.c_str(), "--tls", directory_.c_str(), nullptr);
            _exit(127);
        }
        close(in[0]);
        close(out[1]);
        stdin_ = in[1];
        stdout_ = out[0];
    }

    // Until the newline, or the end when the broker failed to start.
    std::string read_line() {
        std::string line;
        for (char c; read(stdout_, &c, 1) == 1 && c != '\n';)
            line += c;
        close(stdout_);
        return line;
    }

    std::string directory_;
    pid_t child_ = -1;
    int stdin_ = -1, stdout_ = -1;
    std::map<std::string, std::string> words_;
};

} // namespace cloudsat::test
