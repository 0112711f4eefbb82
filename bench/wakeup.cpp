// A crowd of bots on real connections, for bench/notify.sh.
//
//   wakeup listen COUNT                  registers COUNT sessions, prints `ready`, and reads their
//                                        notifications until its input ends; then prints their number
//   wakeup receive COUNT SAMPLES PAUSE   COUNT sessions CALL wait and receive; posts to one after another,
//                                        with a pause of about PAUSE milliseconds, and prints the latency:
//                                        p50, p99, max
//
// The time runs from just before the poster sends COMMIT until the receiver's client has the row. Connects by
// libpq's environment.

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <poll.h>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <libpq-fe.h>

namespace {

using Clock = std::chrono::steady_clock;

[[noreturn]] void die(const std::string& why) {
    std::fprintf(stderr, "wakeup: %s\n", why.c_str());
    std::exit(1);
}

struct CloseConnection {
    void operator()(PGconn* connection) const { PQfinish(connection); }
};
struct ClearResult {
    void operator()(PGresult* result) const { PQclear(result); }
};
using Connection = std::unique_ptr<PGconn, CloseConnection>;
using Result = std::unique_ptr<PGresult, ClearResult>;

Connection connect() {
    Connection connection(PQconnectdb(""));
    if (PQstatus(connection.get()) != CONNECTION_OK) {
        die(PQerrorMessage(connection.get()));
    }
    return connection;
}

void check(PGconn* connection, const PGresult* result) {
    const ExecStatusType status = PQresultStatus(result);
    if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK) {
        die(PQerrorMessage(connection));
    }
}

void run(PGconn* connection, const std::string& sql) {
    check(connection, Result(PQexec(connection, sql.c_str())).get());
}

std::string address(std::size_t number) {
    return "bot" + std::to_string(number) + ".crowd.example.com";
}

std::vector<Connection> crowd(std::size_t count) {
    std::vector<Connection> all;
    for (std::size_t i = 0; i < count; ++i) {
        all.push_back(connect());
        run(all.back().get(), "SELECT cloudsat.register('{" + address(i) + "}')");
    }
    return all;
}

int listen(std::size_t count) {
    const std::vector<Connection> all = crowd(count);
    std::vector<pollfd> ends;
    for (const Connection& one : all) {
        ends.push_back({PQsocket(one.get()), POLLIN, 0});
    }
    ends.push_back({0, POLLIN, 0});
    std::puts("ready");
    std::fflush(stdout);
    long heard = 0;
    while (poll(ends.data(), ends.size(), -1) >= 0 && ends.back().revents == 0) {
        for (std::size_t i = 0; i < all.size(); ++i) {
            if (ends[i].revents == 0) {
                continue;
            }
            if (PQconsumeInput(all[i].get()) == 0) {
                die(PQerrorMessage(all[i].get()));
            }
            while (PGnotify* notification = PQnotifies(all[i].get())) {
                ++heard;
                PQfreemem(notification);
            }
        }
    }
    std::printf("%ld\n", heard);
    return 0;
}

class Race {
public:
    Race(std::size_t count, std::size_t samples, int pause)
        : receivers_(crowd(count)), waits_(count, false), sent_(samples), took_(samples, -1), pause_(pause) {}

    int run_it() {
        for (std::size_t i = 0; i < receivers_.size(); ++i) {
            ask_next(i);
        }
        std::thread poster([this] { post(); });
        std::vector<pollfd> ends;
        for (const Connection& one : receivers_) {
            ends.push_back({PQsocket(one.get()), POLLIN, 0});
        }
        while (received_ < took_.size()) {
            if (poll(ends.data(), ends.size(), 30'000) <= 0) {
                die("a message does not arrive");
            }
            for (std::size_t i = 0; i < ends.size(); ++i) {
                if (ends[i].revents != 0) {
                    read(i);
                }
            }
        }
        poster.join();
        std::sort(took_.begin(), took_.end());
        std::printf("%.3f %.3f %.3f\n", at(0.5), at(0.99), took_.back());
        return 0;
    }

private:
    // Waits and receives in turn.
    void ask_next(std::size_t number) {
        PGconn* connection = receivers_[number].get();
        waits_[number] = !waits_[number];
        if (PQsendQuery(connection, waits_[number] ? "CALL cloudsat.wait('10 s')"
                                                   : "SELECT message FROM cloudsat.receive()") == 0) {
            die(PQerrorMessage(connection));
        }
    }

    double at(double share) const {
        return took_[static_cast<std::size_t>(share * static_cast<double>(took_.size() - 1))];
    }

    void read(std::size_t receiver) {
        PGconn* connection = receivers_[receiver].get();
        if (PQconsumeInput(connection) == 0) {
            die(PQerrorMessage(connection));
        }
        while (PQisBusy(connection) == 0) {
            const Result result(PQgetResult(connection));
            if (!result) {
                ask_next(receiver);
                continue;
            }
            check(connection, result.get());
            const Clock::time_point now = Clock::now();
            for (int row = 0; row < PQntuples(result.get()); ++row) {
                const std::size_t number = std::strtoul(PQgetvalue(result.get(), row, 0), nullptr, 10);
                const std::chrono::duration<double, std::milli> took = now - sent_.at(number).load();
                took_.at(number) = took.count();
                ++received_;
            }
        }
    }

    void post() {
        const Connection connection = connect();
        run(connection.get(), "SET synchronous_commit = off");
        run(connection.get(),
            "PREPARE post AS SELECT cloudsat.post('poster.example.org', $1::cloudsat.address, $2)");
        std::mt19937 random(1);
        std::uniform_int_distribution<int> pause(pause_ * 500, pause_ * 1500); // microseconds
        for (std::size_t i = 0; i < sent_.size(); ++i) {
            std::this_thread::sleep_for(std::chrono::microseconds(pause(random)));
            run(connection.get(), "BEGIN");
            run(connection.get(),
                "EXECUTE post('" + address(i % receivers_.size()) + "', '" + std::to_string(i) + "')");
            sent_[i].store(Clock::now());
            run(connection.get(), "COMMIT");
        }
    }

    std::vector<Connection> receivers_;
    std::vector<bool> waits_; // in CALL wait, otherwise in receive()
    std::vector<std::atomic<Clock::time_point>> sent_;
    std::vector<double> took_; // milliseconds
    std::size_t received_ = 0;
    int pause_;
};

} // namespace

int main(int argc, char** argv) {
    const std::string what = argc > 1 ? argv[1] : "";
    const auto number = [&](int i) { return std::strtoul(argv[i], nullptr, 10); };
    if (what == "listen" && argc == 3) {
        return listen(number(2));
    }
    if (what == "receive" && argc == 5) {
        return Race(number(2), number(3), static_cast<int>(number(4))).run_it();
    }
    die("usage: wakeup listen COUNT | wakeup receive COUNT SAMPLES PAUSE");
}
