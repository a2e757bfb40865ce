// dovectl as a script sees it, against a doved on a real socket.
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include "tests/catch.h"
#include "tests/integration/cli/fake_doved.h"
#include "tests/integration/cli/process.h"

namespace dove::test {
namespace {

using nlohmann::json;
using namespace std::chrono_literals;

template <class Condition>
bool soon(const Condition& condition) {
  for (int i = 0; i < 1000; ++i, std::this_thread::sleep_for(5ms))
    if (condition()) return true;
  return false;
}

bool is_one_line(const std::string& text) {
  return !text.empty() && text.find('\n') == text.size() - 1;
}

struct Fixture {
  Directory directory;
  std::string socket = directory.file("doved.sock");
  FakeDoved doved{socket};
  Finished local(const std::string& line, std::string_view input = {}) const {
    return dovectl("-S " + socket + " " + line, input);
  }
};

}  // namespace

TEST_CASE("ports come and go in silence", "[cli]") {
  const Fixture f;
  CHECK(f.local("-j port show").out == "[]\n");
  const auto added = f.local("port add tap0 endpoint vm1");
  CHECK(added.code == 0);
  CHECK(added.out.empty());
  CHECK(added.err.empty());
  const auto shown = json::parse(f.local("-j port show").out);
  REQUIRE(shown.size() == 1);
  CHECK(shown[0]["dev"] == "tap0");
  CHECK(shown[0]["endpoint"] == "vm1");
  CHECK(shown[0]["vni"] == 100);
  CHECK(shown[0]["ips"] == json::array({"10.1.0.5"}));
  CHECK(f.local("port show").out ==
        "tap0: endpoint vm1 network web vni 100 mac 02:00:00:00:00:01 mtu 1450 state active "
        "security off\n"
        "    ip 10.1.0.5\n");
  CHECK(json::parse(f.local("-echo -j port add tap0 endpoint vm1").out)[0]["mtu"] == 1450);
  CHECK(f.local("port del tap0").code == 0);
  CHECK(f.local("-j -p port").out == "[]\n");
}

TEST_CASE("doved's refusals are passed on, with status 2", "[cli]") {
  const Fixture f;
  const auto missing = f.local("port add nosuch endpoint vm1");
  CHECK(missing.code == 2);
  CHECK(missing.out.empty());
  CHECK(missing.err == "Error: device \"nosuch\" does not exist\n");
  CHECK(f.local("port del tap7").err == "Error: device \"tap7\" is no port\n");
  const auto unknown = f.local("join web");  // not implemented there
  CHECK(unknown.code == 2);
  CHECK(unknown.err == "Error: doved at unix:" + f.socket + " does not know this request\n");
}

TEST_CASE("a show that breaks off prints nothing on stdout", "[cli]") {
  const Fixture f;
  for (const auto* line : {"fdb show", "-j fdb show", "-br fdb"}) {
    const auto broken = f.local(line);
    CHECK(broken.code == 2);
    CHECK(broken.out.empty());
    CHECK(broken.err == "Error: the dump was interrupted\n");
  }
}

TEST_CASE("nobody there: the address and the reason are named, stdout is empty", "[cli]") {
  const Directory directory;
  const auto socket = directory.file("none.sock");
  for (const std::string line : {"port show", "-j port show", "status", "monitor", "join web"}) {
    const auto unreached = dovectl("-S " + socket + " " + line);
    CHECK(unreached.code == 2);
    CHECK(unreached.out.empty());
    CHECK(unreached.err ==
          "Error: cannot reach doved at unix:" + socket + ": No such file or directory\n");
  }
  const auto tcp = dovectl("-C 127.0.0.1:1,[::1]:1 -j tenant show");
  CHECK(tcp.code == 2);
  CHECK(tcp.out.empty());
  CHECK(tcp.err.starts_with(
      "Error: cannot reach dove-controller at 127.0.0.1:1: Connection refused; [::1]:1: "));
  std::ofstream{directory.file("file")} << "not a socket";
  CHECK(
      dovectl("-S " + directory.file("file") + " status").err.ends_with(": Connection refused\n"));
}

TEST_CASE("one that speaks no gRPC is an error, not a hang", "[cli]") {
  const Directory directory;
  const auto socket = directory.file("odd.sock");
  const Daemon odd{{"/usr/bin/python3", "-c",
                    "import socket,sys\ns=socket.socket(socket.AF_UNIX)\ns.bind(sys.argv[1])\n"
                    "s.listen()\nwhile True:\n c,_=s.accept()\n c.send(b'HTTP/1.0 400 no\\r\\n')\n"
                    " c.close()\n",
                    socket}};
  REQUIRE(soon([&] { return ::access(socket.c_str(), F_OK) == 0; }));
  std::this_thread::sleep_for(50ms);
  // How gRPC puts it depends on which of its threads is first.
  for (int i = 0; i < 50; ++i) {
    const auto answered = dovectl("-S " + socket + " -j status");
    CHECK(answered.code == 2);
    CHECK(answered.out.empty());
    CHECK(is_one_line(answered.err));
    CHECK(answered.err.starts_with("Error: doved at unix:" + socket + ": "));
  }
}

TEST_CASE("a change without an answer may have been made, a refused one has not", "[cli]") {
  const Directory directory;
  const auto socket = directory.file("dying.sock");
  const Daemon dying{{"/usr/bin/python3", "-c",
                      "import socket,sys,time\ns=socket.socket(socket.AF_UNIX)\n"
                      "s.bind(sys.argv[1])\ns.listen()\nwhile True:\n c,_=s.accept()\n"
                      " c.recv(65536)\n time.sleep(.05)\n c.close()\n",
                      socket}};
  REQUIRE(soon([&] { return ::access(socket.c_str(), F_OK) == 0; }));
  std::this_thread::sleep_for(50ms);
  const std::string_view unknown = "the outcome is unknown";
  const auto says_unknown = [&](const Finished& finished) {
    CHECK(finished.code == 2);
    CHECK(finished.out.empty());
    return finished.err.find(unknown) != std::string::npos;
  };
  for (const std::string line : {"tenant add red", "endpoint del vm1"})
    CHECK(says_unknown(dovectl("-C unix:" + socket + " " + line)));
  for (const std::string line : {"port add tap0 endpoint vm1", "port del tap0", "join web"})
    CHECK(says_unknown(dovectl("-S " + socket + " " + line)));
  CHECK_FALSE(says_unknown(dovectl("-C unix:" + socket + " tenant show")));
  CHECK_FALSE(says_unknown(dovectl("-S " + socket + " status")));
  CHECK_FALSE(says_unknown(dovectl("-C unix:" + socket + ".none tenant add red")));
  const auto batch = dovectl("-C unix:" + socket + " -b -", "tenant add red\ntenant add blue\n");
  CHECK(says_unknown(batch));
  CHECK(batch.err.ends_with("\nCommand failed -:1\n"));

  const Fixture f;
  const auto refused = f.local("port add lonely endpoint vm1");
  CHECK_FALSE(says_unknown(refused));
  CHECK(refused.err == "Error: doved at unix:" + f.socket + ": no controller can be reached\n");
}

TEST_CASE("the environment names the daemons, options come before it", "[cli]") {
  const Fixture f;
  CHECK(dovectl("-j port show", {}, {"DOVED_SOCKET=" + f.socket}).out == "[]\n");
  CHECK(dovectl("-S " + f.socket + " -j port show", {}, {"DOVED_SOCKET=/none"}).out == "[]\n");
  const auto elsewhere = dovectl("tenant show", {}, {"DOVE_CONTROLLER=127.0.0.1:1"});
  CHECK(elsewhere.code == 2);
  CHECK(elsewhere.err.find("127.0.0.1:1") != std::string::npos);
  // A controller that may not be reached so is nothing to those who ask doved.
  const Environment plain{"DOVE_CONTROLLER=192.0.2.1:4780", "DOVED_SOCKET=" + f.socket};
  CHECK(dovectl("-j port show", {}, plain).out == "[]\n");
  const auto refused = dovectl("tenant show", {}, plain);
  CHECK(refused.code == 2);
  CHECK(refused.err.find("--insecure") != std::string::npos);
}

TEST_CASE("plain TCP beyond this machine wants --insecure", "[cli]") {
  const auto plain = dovectl("-C 192.0.2.1:4780 tenant show");
  CHECK(plain.code == 1);
  CHECK(plain.err.find("--insecure") != std::string::npos);
  CHECK(dovectl("-C frob tenant show").code == 1);
  CHECK(dovectl("-C frob tenant show").err.find("frob") != std::string::npos);
}

TEST_CASE("a batch goes over one connection", "[cli]") {
  Fixture f;
  std::string commands = "# fifty times\n";
  for (int i = 0; i < 50; ++i) commands += "port add tap0 endpoint vm1\nport del \\\n tap0\n";
  const auto batch = f.local("-b -", commands);
  CHECK(batch.code == 0);
  CHECK(batch.out.empty());
  CHECK(batch.err.empty());
  CHECK(f.doved.connections() == 1);
  const auto failed = f.local("-b -", "port add tap0 endpoint vm1\nport del tap9\nport del tap0\n");
  CHECK(failed.code == 2);
  CHECK(failed.err == "Error: device \"tap9\" is no port\nCommand failed -:2\n");
  const auto forced = f.local("-force -b -", "port del tap9\nport del tap0\nport show\n");
  CHECK(forced.code == 1);
  CHECK(forced.err == "Error: device \"tap9\" is no port\nCommand failed -:1\n");
  CHECK(f.local("-j port show").out == "[]\n");
}

TEST_CASE("batch files", "[cli]") {
  const Fixture f;
  const auto name = f.directory.file("commands");
  std::ofstream{name} << "port add tap0 endpoint vm1\nfrob\n";
  const auto batch = f.local("-batch " + name);
  CHECK(batch.code == 1);
  CHECK(batch.err ==
        "Object \"frob\" is unknown, try \"dovectl help\".\nCommand failed " + name + ":2\n");
  const auto missing = f.local("-b " + name + ".none");
  CHECK(missing.code == 1);
  CHECK(missing.err ==
        "Cannot open file \"" + name + ".none\" for reading: No such file or directory\n");
  CHECK(f.local("-b " + name + " port show").code == 1);
}

TEST_CASE("monitor prints each event when it comes", "[cli]") {
  Fixture f;
  const Daemon monitor{{DOVECTL, "-S", f.socket, "-j", "monitor"}};
  v1::Event event;
  event.set_kind(v1::Event::PORT);
  event.mutable_port()->set_dev("tap0");
  f.doved.tell(event);
  REQUIRE(soon([&] { return monitor.out().ends_with("]\n"); }));
  CHECK(json::parse(monitor.out())[0]["event"] == "port");
  event.set_deleted(true);
  f.doved.tell(event);
  REQUIRE(soon([&] { return monitor.out().find("true") != std::string::npos; }));
}

TEST_CASE("monitor says so when doved goes", "[cli]") {
  const Directory directory;
  const auto socket = directory.file("doved.sock");
  auto doved = std::make_unique<FakeDoved>(socket);
  std::thread stop{[&] {
    std::this_thread::sleep_for(300ms);
    doved.reset();
  }};
  const auto ended = dovectl("-S " + socket + " -j monitor");
  stop.join();
  CHECK(ended.code == 2);
  CHECK(ended.out.empty());
  CHECK(is_one_line(ended.err));
  CHECK(ended.err.find(socket) != std::string::npos);
}

TEST_CASE("many at once are all served", "[cli]") {
  const Fixture f;
  const auto all = run({"/bin/sh", "-c",
                        "for i in $(seq 100); do " + std::string{DOVECTL} + " -S " + f.socket +
                            " -j port show || echo failed & done; wait"});
  CHECK(all.err.empty());
  CHECK(all.out.size() == 100 * std::string_view{"[]\n"}.size());
}

TEST_CASE("version and help", "[cli]") {
  const auto version = dovectl("-V");
  CHECK(version.code == 0);
  CHECK(version.out == "dovectl utility, dove-" DOVE_VERSION "\n");
  const auto help = dovectl("help");
  CHECK(help.code == 0);
  CHECK(help.err.empty());
  CHECK(help.out.starts_with("Usage: dovectl [ OPTIONS ] OBJECT { COMMAND | help }\n"));
  CHECK(dovectl("-help").out == help.out);
  CHECK(dovectl("port help").code == 0);
  CHECK(dovectl("").code == 1);
  CHECK(is_one_line(dovectl("").err));
}

TEST_CASE("a full disk is an error", "[cli]") {
  const auto full = run({"/bin/sh", "-c", std::string{DOVECTL} + " help >/dev/full"});
  CHECK(full.code == 2);
  CHECK(full.err == "Error: cannot write: No space left on device\n");
}

}  // namespace dove::test
