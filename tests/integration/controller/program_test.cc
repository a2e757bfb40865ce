// The program itself: what it refuses at its start, in words that name the thing, and how it ends.
#include <sys/socket.h>
#include <sys/un.h>

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <thread>

#include "dove/v1/management.grpc.pb.h"
#include "tests/integration/controller/process.h"
#include "tests/unit/controller/temporary_directory.h"

namespace dove::controller {
namespace {

class Place {
 public:
  std::string operator/(const std::string& name) const { return directory_ / name; }
  std::vector<std::string> arguments() const {
    return {"--listen", "unix:" + (*this / "c.sock"), "--store", "sqlite:" + (*this / "store.db")};
  }
  // Starts a controller that must refuse to, and returns what it says.
  std::string refusal(const std::vector<std::string>& arguments, int code = 2) const {
    const auto log = *this / "refused.log";
    CHECK(Process{arguments, log}.wait() == code);
    std::ifstream file{log};
    std::string text{std::istreambuf_iterator<char>{file}, {}};
    INFO(text);
    const auto last = text.rfind("Error: ");
    REQUIRE(last != std::string::npos);
    CHECK((last == 0 || text[last - 1] == '\n'));
    return text.substr(last);
  }

 private:
  TemporaryDirectory directory_;
};

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST_CASE("a second controller is refused, on the same socket and on the same store") {
  const Place place;
  Process first{place.arguments(), place / "log"};
  connect(place / "c.sock");
  CHECK(contains(place.refusal({"--listen", "unix:" + (place / "c.sock"), "--store",
                                "sqlite:" + (place / "other.db")}),
                 "another process listens there"));
  const auto text = place.refusal(
      {"--listen", "unix:" + (place / "d.sock"), "--store", "sqlite:" + (place / "store.db")});
  CHECK(contains(text, place / "store.db"));
  CHECK(contains(text, "in use by another controller"));
}

TEST_CASE("it ends cleanly when told to, and begins again behind a stale socket") {
  const Place place;
  const auto signal = GENERATE(SIGTERM, SIGINT);
  Process first{place.arguments(), place / "log"};
  connect(place / "c.sock");
  first.kill(signal);
  CHECK(first.wait() == 0);
  Process second{place.arguments(), place / "log"};
  connect(place / "c.sock");
  second.kill(SIGKILL);
  Process third{place.arguments(), place / "log"};  // the killed one left its socket
  connect(place / "c.sock");
}

TEST_CASE("it waits for etcd, and ends cleanly meanwhile when told to") {
  const Place place;
  const auto log = place / "log";
  // Nobody listens at port 1.
  Process waits{{"--listen", "unix:" + (place / "c.sock"), "--store", "etcd:127.0.0.1:1"}, log};
  const auto said = [&] {
    std::ifstream file{log};
    return std::string{std::istreambuf_iterator<char>{file}, {}};
  };
  for (int i = 0; i < 600 && !contains(said(), "waiting: "); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds{50});
  CHECK(contains(said(), "waiting: store etcd: 127.0.0.1:1: Connection refused"));
  CHECK_FALSE(std::filesystem::exists(place / "c.sock"));
  waits.kill(SIGTERM);
  CHECK(waits.wait() == 0);
}

TEST_CASE("a damaged store is refused by its name") {
  const Place place;
  std::ofstream{place / "store.db"} << std::string(8192, 'x');
  CHECK(contains(place.refusal(place.arguments()), "store.db\": the file is no database"));
}

TEST_CASE("wrong words are named, with what was expected") {
  const Place place;
  const auto refuse = [&](std::vector<std::string> words) { return place.refusal(words, 1); };
  CHECK(contains(refuse({"--listen", "nowhere"}), "\"nowhere\""));
  CHECK(contains(refuse({"--listen", "0.0.0.0:7000"}), "--insecure"));
  CHECK(contains(refuse({"--metrics", "0.0.0.0:7000"}), "--insecure"));
  CHECK(contains(refuse({"--metrics", "nowhere"}), "\"nowhere\""));
  CHECK(contains(refuse({"--store", "mysql:x"}), "sqlite:PATH"));
  for (const auto* store : {"etcd:", "etcd:127.0.0.1", "etcd:unix:/run/x", "etcd://127.0.0.1:2379",
                            "etcd:127.0.0.1:2379,", "etcd:127.0.0.1:2379,127.0.0.1:2379"})
    CHECK(contains(refuse({"--store", store}), "etcd:HOST:PORT[,HOST:PORT]..."));
  CHECK(contains(refuse({"--store", "etcd:192.0.2.1:2379"}), "--insecure"));
  CHECK(contains(refuse({"--negative-ttl", "0"}), "--negative-ttl \"0\""));
  CHECK(contains(refuse({"--router-mac", "01:00:5e:00:00:01"}), "expected a unicast MAC"));
  CHECK(contains(refuse({"--host-lease", "0"}), "--host-lease \"0\""));
  CHECK(contains(refuse({"--host-lease", "10s"}), "expected seconds, 1..3600"));
  CHECK(contains(refuse({"--realtime", "100"}), "expected a priority, 0..99"));
  CHECK(contains(refuse({"--log-level", "loud"}), "\"loud\""));
  CHECK(contains(refuse({"--lisen", "x"}), "--lisen"));
  CHECK(contains(refuse({"--config", place / "none"}), "none"));
}

TEST_CASE("it tells its version and its options, each with what it takes") {
  const Place place;
  const auto told = [&](const std::string& option) {
    const auto out = place / "out";
    const auto command = std::string{DOVE_CONTROLLER_PROGRAM} + " " + option + " >" + out;
    CHECK(std::system(command.c_str()) == 0);
    std::ifstream file{out};
    return std::string{std::istreambuf_iterator<char>{file}, {}};
  };
  CHECK(told("-V").starts_with("dove-controller, dove-"));
  CHECK(told("-V") == told("--version"));
  const auto help = told("--help");
  for (const auto* option : {"--listen ADDRESS", "--metrics ADDRESS", "--store STORE",
                             "--negative-ttl MS", "--router-mac MAC", "--host-lease SECS",
                             "--realtime PRIORITY", "--log-level LEVEL", "--config FILE"}) {
    INFO(option);
    CHECK(contains(help, option));
  }
}

TEST_CASE("every option is a key of the configuration file, and no other word is") {
  const Place place;
  std::ofstream{place / "good.conf"} << "listen = \"unix:" << place / "c.sock"
                                     << "\"\nstore = \"sqlite:" << place / "store.db"
                                     << "\"\nnegative-ttl = 100\nlog-level = \"error\"\n"
                                     << "insecure = true\nmetrics = \"unix:" << place / "m.sock"
                                     << "\"\n";
  Process controller{{"--config", place / "good.conf"}, place / "log"};
  connect(place / "c.sock");
  CHECK(std::filesystem::is_socket(place / "m.sock"));
  std::ofstream{place / "bad.conf"} << "lisen = \"unix:x\"\n";
  CHECK(contains(place.refusal({"--config", place / "bad.conf"}, 1), "lisen"));
}

TEST_CASE("a directory that was named and is not there is not made") {
  const Place place;
  CHECK(contains(place.refusal({"--listen", "unix:" + (place / "none/c.sock"), "--store",
                                "sqlite:" + (place / "store.db")}),
                 "none/c.sock"));
  CHECK(contains(place.refusal({"--listen", "unix:" + (place / "c.sock"), "--store",
                                "sqlite:" + (place / "none/store.db")}),
                 "none/store.db"));
}

TEST_CASE("garbage on the socket does no harm") {
  const Place place;
  Process controller{place.arguments(), place / "log"};
  const auto channel = connect(place / "c.sock");
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  std::strcpy(name.sun_path, (place / "c.sock").c_str());
  for (int i = 0; i < 20; ++i) {
    const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
    REQUIRE(::connect(fd, reinterpret_cast<const sockaddr*>(&name), sizeof name) == 0);
    std::string garbage(static_cast<std::size_t>(1 + 997 * i), static_cast<char>(i * 13));
    CHECK(::send(fd, garbage.data(), garbage.size(), MSG_NOSIGNAL) > 0);
    ::close(fd);
  }
  grpc::ClientContext context;
  v1::ChangeRequest change;
  change.add_operations()->mutable_tenant_add()->set_name("t");
  v1::ChangeReply reply;
  CHECK(v1::Management::NewStub(channel)->Change(&context, change, &reply).ok());
}

}  // namespace
}  // namespace dove::controller
