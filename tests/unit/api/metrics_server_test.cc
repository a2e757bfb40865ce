// Against a server on a socket: what it answers, and what it does with those who mean it no good.
#include "api/metrics_server.h"

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <fstream>
#include <mutex>
#include <vector>

#include "core/file_descriptor.h"
#include "tests/catch.h"
#include "tests/unit/controller/temporary_directory.h"

namespace dove::api {
namespace {

using std::chrono::milliseconds;

constexpr int kPatienceMs = 10'000;  // of this test: more than any of the server's times
const std::string kGet = "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n";

class Client {
 public:
  explicit Client(const Address& address)
      : fd_{::socket(address.kind == Address::Kind::kUnix ? AF_UNIX : AF_INET,
                     SOCK_STREAM | SOCK_CLOEXEC, 0)} {
    sockaddr_un local{};
    local.sun_family = AF_UNIX;
    std::strcpy(local.sun_path, address.path.c_str());
    sockaddr_in tcp{};
    tcp.sin_family = AF_INET;
    tcp.sin_port = htons(address.port);
    tcp.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const bool unix_one = address.kind == Address::Kind::kUnix;
    const auto* name = unix_one ? reinterpret_cast<const sockaddr*>(&local)
                                : reinterpret_cast<const sockaddr*>(&tcp);
    REQUIRE(::connect(fd_.get(), name, unix_one ? sizeof local : sizeof tcp) == 0);
  }

  bool send(std::string_view bytes) {
    return ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) ==
           static_cast<ssize_t>(bytes.size());
  }
  // All until the server ends the connection; "timeout" when it does not.
  std::string read_all() {
    std::string all;
    for (;;) {
      pollfd one{fd_.get(), POLLIN, 0};
      if (::poll(&one, 1, kPatienceMs) != 1) return "timeout";
      char buffer[4096];
      const auto got = ::recv(fd_.get(), buffer, sizeof buffer, 0);
      if (got <= 0) return all;
      all.append(buffer, static_cast<std::size_t>(got));
    }
  }
  std::string ask(std::string_view bytes) {
    send(bytes);
    return read_all();
  }

 private:
  FileDescriptor fd_;
};

class Fixture {
 public:
  std::unique_ptr<MetricsServer> start(const MetricsServer::Limits& limits = {}) {
    auto server = MetricsServer::open(address, false, collector(), limits);
    REQUIRE(server);
    return *std::move(server);
  }
  MetricsServer::Collect collector() {
    return [this](std::function<void(MetricsServer::Render)> done) {
      ++collected;
      if (!held) return done([this] { return page; });
      const std::lock_guard lock{mutex};
      waiting.push_back(std::move(done));
    };
  }
  std::size_t waiting_now() {
    const std::lock_guard lock{mutex};
    return waiting.size();
  }

  const TemporaryDirectory directory;
  const Address address{.kind = Address::Kind::kUnix, .path = directory / "metrics.sock"};
  std::string page = "x 1\n";
  std::atomic<int> collected = 0;
  std::atomic<bool> held = false;
  std::mutex mutex;
  std::vector<std::function<void(MetricsServer::Render)>> waiting;
};

template <class Condition>
bool soon(Condition condition) {
  for (int i = 0; i < kPatienceMs; ++i) {
    if (condition()) return true;
    ::usleep(1000);
  }
  return false;
}

TEST_CASE("GET /metrics is answered, everything else says what is wrong", "[metrics]") {
  Fixture fixture;
  const auto server = fixture.start();
  const auto answer = Client{fixture.address}.ask(kGet);
  CHECK(answer.starts_with("HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4"));
  CHECK(answer.ends_with("\r\n\r\nx 1\n"));
  CHECK(Client{fixture.address}.ask("HEAD /metrics HTTP/1.1\r\n\r\n").ends_with("\r\n\r\n"));
  CHECK(Client{fixture.address}.ask("GET / HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 404 "));
  CHECK(Client{fixture.address}
            .ask("POST /metrics HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello")
            .starts_with("HTTP/1.1 405 "));
  CHECK(Client{fixture.address}.ask("\x16\x03\x01 hello\n").starts_with("HTTP/1.1 400 "));
  CHECK(Client{fixture.address}.ask(std::string(9000, 'x')).starts_with("HTTP/1.1 431 "));
}

// By TCP, where an answer is lost when its connection is closed with something unread.
TEST_CASE("of pipelined requests the first is answered, and the connection ends", "[metrics]") {
  Fixture fixture;
  fixture.page = std::string(1 << 20, 'x');
  Address address{.kind = Address::Kind::kTcp, .host = "127.0.0.1"};
  std::unique_ptr<MetricsServer> server;
  for (address.port = 42300; !server && address.port < 42400; ++address.port)
    if (auto opened = MetricsServer::open(address, false, fixture.collector()))
      server = *std::move(opened);
  --address.port;
  REQUIRE(server);
  std::string many;
  for (int i = 0; i < 1000; ++i) many += kGet;
  const auto answer = Client{address}.ask(many);
  CHECK(answer.starts_with("HTTP/1.1 200 OK"));
  CHECK(answer.size() > fixture.page.size());
  CHECK(answer.find("HTTP/1.1", 1) == std::string::npos);
}

TEST_CASE("who is slow loses the connection, others are answered meanwhile", "[metrics]") {
  Fixture fixture;
  const auto server = fixture.start({.patience = milliseconds{300}});
  Client slow{fixture.address};
  slow.send("GET /metr");
  CHECK(Client{fixture.address}.ask(kGet).ends_with("x 1\n"));
  CHECK(slow.read_all().empty());
}

TEST_CASE("who does not read a long answer loses the connection", "[metrics]") {
  Fixture fixture;
  fixture.page = std::string(8 << 20, 'x');
  const auto server = fixture.start({.patience = milliseconds{300}});
  Client lazy{fixture.address};
  lazy.send(kGet);
  REQUIRE(soon([&] { return fixture.collected == 1; }));
  CHECK(Client{fixture.address}.ask(kGet).size() > fixture.page.size());
  ::usleep(400'000);  // the patience
  const auto got = lazy.read_all();
  CHECK(got != "timeout");
  CHECK(got.size() < fixture.page.size());
}

TEST_CASE("more connections than there may be: the one that dawdles makes room", "[metrics]") {
  Fixture fixture;
  const auto server = fixture.start({.connections = 4, .patience = milliseconds{60'000}});
  std::vector<std::unique_ptr<Client>> idle;
  for (int i = 0; i < 20; ++i) idle.push_back(std::make_unique<Client>(fixture.address));
  CHECK(Client{fixture.address}.ask(kGet).ends_with("x 1\n"));
  CHECK(idle.front()->read_all().empty());
}

TEST_CASE("those who wait for figures keep their place", "[metrics]") {
  Fixture fixture;
  fixture.held = true;
  const auto server = fixture.start({.connections = 2, .patience = milliseconds{60'000}});
  Client first{fixture.address};
  first.send(kGet);
  REQUIRE(soon([&] { return fixture.waiting_now() == 1; }));
  std::vector<std::unique_ptr<Client>> idle;
  for (int i = 0; i < 5; ++i) idle.push_back(std::make_unique<Client>(fixture.address));
  CHECK(idle.front()->read_all().empty());
  fixture.waiting.front()([] { return std::string{"late 1\n"}; });
  CHECK(first.read_all().ends_with("late 1\n"));
}

TEST_CASE("however many ask, figures are collected one at a time, and none are stale",
          "[metrics]") {
  Fixture fixture;
  fixture.held = true;
  const auto server = fixture.start({.pause = milliseconds{0}});
  Client first{fixture.address};
  first.send(kGet);
  REQUIRE(soon([&] { return fixture.waiting_now() == 1; }));
  std::vector<std::unique_ptr<Client>> later;
  for (int i = 0; i < 10; ++i) {
    later.push_back(std::make_unique<Client>(fixture.address));
    later.back()->send(kGet);
  }
  // An answer to a request shows that the server has read what came before it.
  CHECK(Client{fixture.address}.ask("GET / HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 404"));
  CHECK(fixture.collected == 1);
  fixture.waiting[0]([] { return std::string{"old 1\n"}; });
  CHECK(first.read_all().ends_with("old 1\n"));
  REQUIRE(soon([&] { return fixture.waiting_now() == 2; }));
  fixture.waiting[1]([] { return std::string{"new 1\n"}; });
  for (auto& client : later) CHECK(client->read_all().ends_with("new 1\n"));
  CHECK(fixture.collected == 2);
}

TEST_CASE("figures that do not come are an error, and may come when nobody is there", "[metrics]") {
  Fixture fixture;
  fixture.held = true;
  {
    const auto server = fixture.start({.patience = milliseconds{200}});
    CHECK(Client{fixture.address}.ask(kGet).starts_with("HTTP/1.1 503 "));
  }
  REQUIRE(fixture.waiting_now() == 1);
  fixture.waiting.front()([] { return std::string{}; });
  CHECK(::access(fixture.address.path.c_str(), F_OK) != 0);
}

TEST_CASE("a socket is for owner and group; one in use and other files are refused", "[metrics]") {
  Fixture fixture;
  const auto nothing = [](const std::function<void(MetricsServer::Render)>&) {};
  {
    const auto server = fixture.start();
    struct stat status {};
    REQUIRE(::stat(fixture.address.path.c_str(), &status) == 0);
    CHECK((status.st_mode & 0777) == 0660);
    const auto second = MetricsServer::open(fixture.address, false, nothing);
    REQUIRE_FALSE(second);
    CHECK(second.error().message.find("another process listens there") != std::string::npos);
  }
  std::ofstream{fixture.address.path} << "precious";
  const auto third = MetricsServer::open(fixture.address, false, nothing);
  REQUIRE_FALSE(third);
  CHECK(third.error().message.find("no socket") != std::string::npos);
}

TEST_CASE("beyond this machine only when it was asked for", "[metrics]") {
  const Address address{.kind = Address::Kind::kTcp, .host = "0.0.0.0", .port = 9};
  const auto server = MetricsServer::open(address, false, {});
  REQUIRE_FALSE(server);
  CHECK(server.error().message.find("--insecure") != std::string::npos);
}

}  // namespace
}  // namespace dove::api
