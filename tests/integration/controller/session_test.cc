// Sessions as agents live them, over real streams: hello, attachments, asks and what is pushed.
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>

#include "tests/integration/controller/fabric.h"

namespace dove::controller {
namespace {

const Vni kVni = *Vni::from(100);
const MacKey kMacA{kVni, *MacAddress::parse("02:00:00:00:00:0a")};
const MacKey kMacB{kVni, *MacAddress::parse("02:00:00:00:00:0b")};
const IpKey kIpA{kVni, *IpAddress::parse("10.0.0.10")};
const IpKey kIpB{kVni, *IpAddress::parse("10.0.0.11")};

struct World : SmallFabric {
  using SmallFabric::SmallFabric;
};

TEST_CASE("hello is answered with welcome and all hosts, and others hear of a new host") {
  World world;
  const auto one = world.agent("h1", "192.0.2.1");
  CHECK(one->welcome().store_id() == world.store.id());
  CHECK(one->all_hosts().hosts_size() == 1);
  const auto two = world.agent("h2", "192.0.2.2");
  CHECK(two->all_hosts().hosts_size() == 2);
  CHECK(two->id() != one->id());
  const auto heard = one->next(v1::FromController::kHosts).hosts();
  CHECK_FALSE(heard.full());
  REQUIRE(heard.hosts_size() == 1);
  CHECK(heard.hosts(0).name() == "h2");
  CHECK(world.host("h2").state() == v1::Host::CONNECTED);
  CHECK(world.host("h2").version() == "test");
}

TEST_CASE("a host that knows another past of the store is told so") {
  World world;
  const auto says = [&](const std::string& store, const std::string& opening,
                        std::uint64_t revision) {
    FakeAgent agent{world.server.channel(), "h1", "192.0.2.1"};
    agent.knows(store, opening, revision);
    agent.connect();
    CHECK(agent.welcome().opening() == world.store.openings().back().id);
    return agent.welcome().other_past();
  };
  const auto id = world.store.id();
  const auto opening = world.store.openings().back().id;
  CHECK_FALSE(says("", "", 0));
  CHECK_FALSE(says(id, opening, 1));
  CHECK(says(id, opening, 1000000));
  CHECK(says(id, "another", 1));
  CHECK(says(id, "", 1));
  CHECK_FALSE(says("another store", "", 1000000));  // the id says it
}

TEST_CASE("others hear of a new host before its first attachment is confirmed") {
  World world;
  const auto one = world.agent("h1", "192.0.2.1");
  one->ask({kMacA});
  REQUIRE(mac_of(one->next_bindings().front()).verdict == Verdict::kNotFound);
  const auto two = world.agent("h2", "192.0.2.2");
  two->attach("a");
  CHECK(one->next().has_hosts());
  CHECK(one->next().has_bindings());
}

TEST_CASE("a host keeps its id, and a changed VTEP is told to all") {
  World world;
  const auto one = world.agent("h1", "192.0.2.1");
  HostId id{};
  id = world.agent("h2", "192.0.2.2")->id();
  world.wait_disconnected("h2");
  one->all_until_now();
  const auto again = world.agent("h2", "192.0.2.22", "another boot");
  CHECK(again->id() == id);
  const auto heard = one->next(v1::FromController::kHosts).hosts();
  CHECK(api::parse_host(heard.hosts(0))->vtep->address.to_string() == "192.0.2.22");
}

TEST_CASE("a cloned host is refused, naming the first") {
  World world;
  const auto one = world.agent("h1", "192.0.2.1");
  SECTION("the same name") {
    FakeAgent clone{world.server.channel(), "h1", "192.0.2.9", "another boot"};
    clone.say_hello();
    CHECK(clone.end().error_code() == grpc::StatusCode::ALREADY_EXISTS);
    CHECK(clone.end().error_message().find("\"h1\"") != std::string::npos);
  }
  SECTION("the same VTEP") {
    FakeAgent clone{world.server.channel(), "h9", "192.0.2.1", "another boot"};
    clone.say_hello();
    CHECK(clone.end().error_code() == grpc::StatusCode::ALREADY_EXISTS);
    CHECK(clone.end().error_message().find("\"h1\"") != std::string::npos);
  }
  CHECK(one->all_until_now().empty());
  CHECK(world.host("h1").state() == v1::Host::CONNECTED);
}

TEST_CASE("a VTEP that a disconnected host is registered with is refused, naming the way out") {
  World world;
  world.agent("h1", "192.0.2.1").reset();
  world.wait_disconnected("h1");
  FakeAgent renamed{world.server.channel(), "h9", "192.0.2.1"};
  renamed.say_hello();
  CHECK(renamed.end().error_code() == grpc::StatusCode::ALREADY_EXISTS);
  CHECK(renamed.end().error_message().find("host del h1") != std::string::npos);
}

TEST_CASE("the same host come back on the same boot replaces its half-dead session") {
  World world;
  const auto one = world.agent("h1", "192.0.2.1");
  one->all_until_now();  // nothing is under way to it
  const auto again = world.agent("h1", "192.0.2.1");
  CHECK(again->id() == one->id());
  CHECK(one->end().error_code() == grpc::StatusCode::UNAVAILABLE);
  again->attach("a");
  CHECK(world.host("h1").state() == v1::Host::CONNECTED);
}

TEST_CASE("an ask for an IP is answered with the owner's MAC and its host") {
  World world;
  const auto one = world.agent("h1", "192.0.2.1");
  const auto two = world.agent("h2", "192.0.2.2");
  const auto attached = two->attach("a");
  one->ask({kIpA});
  const auto answer = one->next_bindings();
  REQUIRE(answer.size() == 2);
  CHECK(ip_of(answer[0]).verdict == Verdict::kFound);
  CHECK(ip_of(answer[0]).mac == kMacA.mac);
  CHECK(mac_of(answer[1]).verdict == Verdict::kFound);
  CHECK(mac_of(answer[1]).host == two->id());
  CHECK(mac_of(answer[1]).generation == attached.generation());
}

TEST_CASE(
    "the host of who is asked for is told of the asker, if that is where the question is from") {
  World world;
  const auto one = world.agent("h1", "192.0.2.1");
  const auto two = world.agent("h2", "192.0.2.2");
  one->attach("a");
  two->attach("b");
  (void)two->all_until_now();

  two->ask_for_guest(kIpA, kIpB);  // this asker is where the question comes from
  const auto introduced = one->next_bindings();
  REQUIRE(introduced.size() == 2);
  CHECK(ip_of(introduced[0]).key == kIpB);
  CHECK(ip_of(introduced[0]).introduced);
  CHECK(mac_of(introduced[1]).host == two->id());

  two->ask_for_guest(kIpA, kIpB);  // known by now
  two->ask_for_guest(kIpB, kIpA);  // not an asker of two's, nor one that is elsewhere
  two->ask_for_guest(kIpA, {kVni, *IpAddress::parse("10.0.0.99")});
  (void)two->all_until_now();
  for (const auto& word : one->all_until_now()) CHECK_FALSE(word.has_bindings());
}

TEST_CASE("not found is answered with a ttl and told otherwise when it is there") {
  World world{{.negative_ttl = std::chrono::milliseconds{1234}}};
  const auto one = world.agent("h1", "192.0.2.1");
  const IpKey unborn{kVni, *IpAddress::parse("10.0.0.77")};
  one->ask({unborn, kMacA});
  const auto answer = one->next_bindings();
  REQUIRE(answer.size() == 2);
  CHECK(mac_of(answer[0]).verdict == Verdict::kNotFound);
  CHECK(ip_of(answer[1]).verdict == Verdict::kNotFound);
  CHECK(ip_of(answer[1]).ttl == std::chrono::milliseconds{1234});

  v1::ChangeRequest change;
  add_endpoint(change, "c", "n", "02:00:00:00:00:0c", {"10.0.0.77"});
  world.server.must_change(change);
  const auto two = world.agent("h2", "192.0.2.2");
  two->attach("c");
  const auto pushed = one->next_bindings();
  REQUIRE(pushed.size() == 2);
  CHECK(ip_of(pushed[0]).verdict == Verdict::kFound);
  CHECK(ip_of(pushed[0]).revision > ip_of(answer[1]).revision);
  CHECK(mac_of(pushed[1]).host == two->id());
}

TEST_CASE("an agent that is refused while it does not read, and goes, is gone") {
  World world;
  {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);
    arguments.SetInt(GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, 1024);
    grpc::ClientContext context;
    const auto stub = v1::AgentSession::NewStub(grpc::CreateCustomChannel(
        world.server.target(), grpc::InsecureChannelCredentials(), arguments));
    const auto stream = stub->Session(&context);
    v1::FromAgent hello;
    hello.mutable_hello()->set_protocol(api::kProtocol);
    hello.mutable_hello()->set_host("h1");
    hello.mutable_hello()->set_vtep(api::to_bytes(*IpAddress::parse("192.0.2.1")));
    hello.mutable_hello()->set_boot_id("boot");
    REQUIRE(stream->Write(hello));
    v1::FromController welcome;
    REQUIRE(stream->Read(&welcome));  // the only thing it reads
    REQUIRE(welcome.has_welcome());
    std::vector<Key> keys;
    for (std::uint8_t n = 0; n < 250; ++n) keys.emplace_back(IpKey{kVni, IpAddress::v4(n)});
    v1::FromAgent question;
    api::add_keys(keys, question.mutable_ask());
    for (int i = 0; i < 100; ++i)
      REQUIRE(stream->Write(question));  // more than a window of answers
    REQUIRE(world.host("h1").state() == v1::Host::CONNECTED);
    stream->Write(
        hello);  // a mistake, for which the controller ends the stream, behind its answers
    std::this_thread::sleep_for(std::chrono::milliseconds{100});
    context.TryCancel();
    (void)stream->Finish();
  }
  world.wait_disconnected("h1");
}

TEST_CASE("a move is told to those who asked, and to the former owner") {
  World world;
  const auto one = world.agent("h1", "192.0.2.1");
  const auto two = world.agent("h2", "192.0.2.2");
  const auto three = world.agent("h3", "192.0.2.3");
  const auto first = two->attach("a");
  one->ask({kMacA});
  REQUIRE(mac_of(one->next_bindings().front()).host == two->id());

  const auto second = three->attach("a");
  CHECK(second.generation() > first.generation());
  const auto pushed = one->next_bindings();
  REQUIRE(pushed.size() == 1);
  CHECK(mac_of(pushed[0]).host == three->id());
  CHECK(mac_of(pushed[0]).generation == second.generation());
  const auto lost = two->next(v1::FromController::kLost).lost().attachment();
  CHECK(lost.endpoint() == "a");
  CHECK(lost.generation() == second.generation());
  CHECK(HostId{lost.host_id()} == three->id());

  // The old host's late words change nothing, and name the owner.
  const auto late = two->detach("a", first.generation());
  REQUIRE(late.has_problem());
  CHECK(late.problem().message().find("\"h3\"") != std::string::npos);
  CHECK(late.attachment().generation() == second.generation());
  CHECK(two->activate("a", first.generation()).has_problem());
  CHECK(one->all_until_now().empty());
}

TEST_CASE("activation is a compare-and-swap") {
  World world;
  const auto one = world.agent("h1", "192.0.2.1");
  const auto two = world.agent("h2", "192.0.2.2");
  const auto prepared_one = one->prepare("a");
  const auto prepared_two = two->prepare("a");
  CHECK(prepared_one.attachment().state() == v1::Attachment::PREPARED);
  CHECK(prepared_one.network().vni() == 100);
  const auto generation = prepared_one.attachment().generation();
  REQUIRE(prepared_two.attachment().generation() == generation);
  CHECK(one->activate("a", generation).attachment().state() == v1::Attachment::ACTIVE);
  const auto refused = two->activate("a", generation);
  REQUIRE(refused.has_problem());
  CHECK(refused.problem().code() == static_cast<std::uint32_t>(ErrorCode::kConflict));
  CHECK(refused.problem().message().find("\"h1\"") != std::string::npos);

  // Said again by the owner it changes nothing.
  const auto again = one->activate("a", generation);
  CHECK_FALSE(again.has_problem());
  CHECK(again.attachment().generation() == generation + 1);
  CHECK(one->activate("nobody", 1).problem().code() ==
        static_cast<std::uint32_t>(ErrorCode::kNotFound));
}

TEST_CASE("a detached endpoint is not found, and detaching again is no error") {
  World world;
  const auto one = world.agent("h1", "192.0.2.1");
  const auto two = world.agent("h2", "192.0.2.2");
  const auto attached = two->attach("a");
  one->ask({kIpA});
  REQUIRE(one->next_bindings().size() == 2);
  CHECK_FALSE(two->detach("a", attached.generation()).has_problem());
  const auto pushed = one->next_bindings();
  REQUIRE(pushed.size() == 2);
  CHECK(mac_of(pushed[0]).verdict == Verdict::kNotFound);
  CHECK(ip_of(pushed[1]).verdict == Verdict::kNotFound);
  CHECK_FALSE(two->detach("a", attached.generation()).has_problem());
  for (const auto& heard : two->all_until_now()) CHECK_FALSE(heard.has_lost());
}

TEST_CASE("a deleted endpoint is not found, and lost to its host") {
  World world;
  const auto one = world.agent("h1", "192.0.2.1");
  const auto attached = one->attach("a");
  one->ask({kMacA});
  one->next_bindings();
  v1::ChangeRequest change;
  change.add_operations()->set_endpoint_del("a");
  world.server.must_change(change);
  CHECK(mac_of(one->next_bindings().front()).verdict == Verdict::kNotFound);
  const auto lost = one->next(v1::FromController::kLost).lost().attachment();
  CHECK(lost.generation() > attached.generation());
  CHECK(lost.state() == v1::Attachment::GONE);

  // One of the same name later is another: a late word about the first does not take it.
  v1::ChangeRequest again;
  add_endpoint(again, "a", "n", "02:00:00:00:00:0a", {"10.0.0.10"});
  world.server.must_change(again);
  CHECK(one->activate("a", attached.generation()).has_problem());
  CHECK(one->activate("a", lost.generation()).has_problem());
}

TEST_CASE("what is forgotten is not told any more") {
  World world;
  const auto one = world.agent("h1", "192.0.2.1");
  const auto two = world.agent("h2", "192.0.2.2");
  one->ask({kMacA, kMacB});
  one->next_bindings();
  one->forget({kMacA});
  one->all_until_now();
  two->attach("a");
  two->attach("b");
  const auto pushed = one->next_bindings();
  REQUIRE(pushed.size() == 1);
  CHECK(mac_of(pushed[0]).key == kMacB);
}

TEST_CASE("keys of another network with the same addresses are other keys") {
  World world;
  v1::ChangeRequest change;
  add_tenant(change, "t2");
  add_network(change, "n2", "t2", 200, {"10.0.0.0/24"});
  add_endpoint(change, "a2", "n2", "02:00:00:00:00:0a", {"10.0.0.10"});
  world.server.must_change(change);
  const auto one = world.agent("h1", "192.0.2.1");
  const auto two = world.agent("h2", "192.0.2.2");
  two->attach("a2");
  const IpKey other{*Vni::from(200), kIpA.ip};
  one->ask({kIpA, other});
  const auto answer = one->next_bindings();
  REQUIRE(answer.size() == 3);
  CHECK(ip_of(answer[0]).verdict == Verdict::kNotFound);
  CHECK(ip_of(answer[1]).verdict == Verdict::kFound);
}

TEST_CASE("link-local addresses are found without being registered") {
  World world;
  const auto one = world.agent("h1", "192.0.2.1");
  const auto two = world.agent("h2", "192.0.2.2");
  const auto attached = two->attach("a");
  SECTION("made from the MAC") {
    const IpKey key{kVni, *IpAddress::parse("fe80::ff:fe00:a")};
    one->ask({key});
    const auto answer = one->next_bindings();
    REQUIRE(answer.size() == 2);
    CHECK(ip_of(answer[0]).mac == kMacA.mac);
    REQUIRE_FALSE(two->detach("a", attached.generation()).has_problem());
    const auto pushed = one->next_bindings();
    REQUIRE(pushed.size() == 2);
    CHECK(ip_of(pushed[1]).verdict == Verdict::kNotFound);
  }
  SECTION("announced") {
    const char* const ip = "fe80::1234";
    const IpKey key{kVni, *IpAddress::parse(ip)};
    one->ask({key});
    CHECK(ip_of(one->next_bindings().front()).verdict == Verdict::kNotFound);
    CHECK_FALSE(two->announce(100, "02:00:00:00:00:0a", ip).has_problem());
    CHECK(ip_of(one->next_bindings().front()).mac == kMacA.mac);
    CHECK_FALSE(two->announce(100, "02:00:00:00:00:0a", ip).has_problem());
    // Somebody else's, in the end, and not of this host, and no link-local address.
    two->attach("b");
    CHECK(two->announce(100, "02:00:00:00:00:0b", ip).has_problem());
    CHECK(two->announce(100, "02:00:00:00:00:0b", "fe80::ff:fe00:a").has_problem());
    CHECK(one->announce(100, "02:00:00:00:00:0b", "fe80::9").has_problem());
    CHECK(two->announce(100, "02:00:00:00:00:0b", "2001:db8::9").has_problem());
  }
}

TEST_CASE("who listens to a group is told to who has joined, in full at a join, never itself") {
  const char* const kFirst = "01:00:5e:01:02:03";
  const char* const kSecond = "33:33:00:23:00:45";
  const auto bytes = [](const char* mac) { return api::to_bytes(*MacAddress::parse(mac)); };
  World world;
  const auto one = world.agent("h1", "192.0.2.1");
  const auto two = world.agent("h2", "192.0.2.2");
  one->join("n");
  CHECK(one->next_group_list().group().empty());
  two->join("n");
  CHECK(two->next_group_list().full());
  one->listen(100, {kFirst});
  const auto told = two->next_group_list();
  CHECK(told.vni() == 100);
  CHECK(told.group() == bytes(kFirst));
  CHECK_FALSE(told.full());
  REQUIRE(told.add_size() == 1);
  CHECK(HostId{told.add(0)} == one->id());
  two->listen(100, {kFirst, kSecond});
  CHECK(one->next_group_list().group() == bytes(kFirst));
  CHECK(one->next_group_list().group() == bytes(kSecond));

  const auto three = world.agent("h3", "192.0.2.3");
  three->join("n");
  const auto first = three->next_group_list();
  CHECK(first.full());
  CHECK(first.add_size() == 2);
  CHECK(three->next_group_list().add_size() == 1);
  CHECK(three->next_group_list().group().empty());

  two->listen(100, {kSecond}, {}, true);
  const auto left = three->next_group_list();
  CHECK(left.group() == bytes(kFirst));
  REQUIRE(left.remove_size() == 1);
  CHECK(HostId{left.remove(0)} == two->id());
  two->leave(100);
  CHECK(three->next_group_list().group() == bytes(kSecond));
  one->listen(100, {kSecond});
  const auto last = three->next_group_list();  // nobody's word is lost or comes twice
  CHECK(last.group() == bytes(kSecond));
  REQUIRE(last.add_size() == 1);
  CHECK(HostId{last.add(0)} == one->id());
}

TEST_CASE("flood lists follow joins and leaves and never hold the agent itself") {
  World world;
  const auto one = world.agent("h1", "192.0.2.1");
  const auto reply = one->join("n");
  CHECK(reply.network().vni() == 100);
  CHECK(reply.network().tenant() == "t");
  auto list = one->next(v1::FromController::kFloodList).flood_list();
  CHECK(list.full());
  CHECK(list.add_size() == 0);

  const auto two = world.agent("h2", "192.0.2.2");
  two->join("n");
  list = two->next(v1::FromController::kFloodList).flood_list();
  REQUIRE(list.add_size() == 1);
  CHECK(HostId{list.add(0)} == one->id());
  list = one->next(v1::FromController::kFloodList).flood_list();
  CHECK_FALSE(list.full());
  REQUIRE(list.add_size() == 1);
  CHECK(HostId{list.add(0)} == two->id());

  two->leave(100);
  list = one->next(v1::FromController::kFloodList).flood_list();
  REQUIRE(list.remove_size() == 1);
  CHECK(HostId{list.remove(0)} == two->id());
  CHECK(one->join("nowhere").problem().code() == static_cast<std::uint32_t>(ErrorCode::kNotFound));
}

TEST_CASE("a host that is gone stays in flood lists until it is back and does not join again") {
  World world{{.rejoin = std::chrono::milliseconds{1}}};
  const auto one = world.agent("h1", "192.0.2.1");
  one->join("n");
  auto two = world.agent("h2", "192.0.2.2");
  two->join("n");
  two->join("n");  // harmless
  two.reset();
  world.wait_disconnected("h2");
  const auto heard = one->all_until_now();
  for (const auto& message : heard)
    if (message.has_flood_list()) CHECK(message.flood_list().remove_size() == 0);
  two = world.agent("h2", "192.0.2.2");
  const auto list = one->next(v1::FromController::kFloodList).flood_list();
  REQUIRE(list.remove_size() == 1);
  CHECK(HostId{list.remove(0)} == two->id());
}

TEST_CASE("after a restart bindings, hosts and flood lists are there before any host is back") {
  MemoryStore store;
  {
    TestServer server{store};
    v1::ChangeRequest change;
    add_tenant(change, "t");
    add_network(change, "n", "t", 100, {"10.0.0.0/24"});
    add_endpoint(change, "a", "n", "02:00:00:00:00:0a", {"10.0.0.10"});
    server.must_change(change);
    FakeAgent agent{server.channel(), "h2", "192.0.2.2"};
    agent.connect().join("n");
    agent.attach("a");
  }
  TestServer server{store};
  FakeAgent one{server.channel(), "h1", "192.0.2.1"};
  one.connect();
  CHECK(one.all_hosts().hosts_size() == 2);
  one.join("n");
  CHECK(one.next(v1::FromController::kFloodList).flood_list().add_size() == 1);
  one.ask({kIpA});
  CHECK(one.next_bindings().size() == 2);
}

TEST_CASE("changed settings are told to those who have joined") {
  World world;
  const auto one = world.agent("h1", "192.0.2.1");
  const auto two = world.agent("h2", "192.0.2.2");
  one->join("n");
  v1::ChangeRequest change;
  change.add_operations()->mutable_network_set()->set_name("n");
  change.mutable_operations(0)->mutable_network_set()->set_learn(true);
  world.server.must_change(change);
  CHECK(one->next(v1::FromController::kNetwork).network().learn());
  for (const auto& heard : two->all_until_now()) CHECK_FALSE(heard.has_network());
}

TEST_CASE("an attached endpoint's new addresses are told to its host, and to no other") {
  World world;
  const auto one = world.agent("h1", "192.0.2.1");
  const auto two = world.agent("h2", "192.0.2.2");
  const auto attached = one->attach("a");
  const auto next_ips = [&] {
    const auto heard = one->next(v1::FromController::kReaddressed).readdressed();
    CHECK(heard.revision() != 0);
    CHECK(heard.attachment().endpoint() == "a");
    CHECK(heard.attachment().state() == v1::Attachment::ACTIVE);
    CHECK(heard.attachment().generation() == attached.generation());
    REQUIRE(heard.attachment().shared_ips_size() == 1);
    CHECK(heard.attachment().shared_ips(0) == api::to_bytes(*IpAddress::parse("10.0.0.99")));
    std::vector<std::string> ips;
    for (const auto& ip : heard.attachment().ips()) ips.push_back(api::parse_ip(ip)->to_string());
    return ips;
  };
  const auto set = [&](const char* endpoint, const char* ip, const char* shared) {
    v1::ChangeRequest change;
    auto* wanted = change.add_operations()->mutable_endpoint_set();
    wanted->set_name(endpoint);
    wanted->add_ips(api::to_bytes(*IpAddress::parse(ip)));
    wanted->add_shared_ips(api::to_bytes(*IpAddress::parse(shared)));
    world.server.must_change(change);
  };
  set("b", "10.0.0.21", "10.0.0.99");  // attached nowhere
  set("a", "10.0.0.20", "10.0.0.99");
  CHECK(next_ips() == std::vector<std::string>{"10.0.0.20", "10.0.0.99"});
  one->announce(100, "02:00:00:00:00:0a", "fe80::a");
  set("a", "10.0.0.10", "10.0.0.99");
  CHECK(next_ips() == std::vector<std::string>{"10.0.0.10", "10.0.0.99", "fe80::a"});
  for (const auto& heard : two->all_until_now()) CHECK_FALSE(heard.has_readdressed());
}

TEST_CASE("a deleted network's flood list is empty") {
  World world;
  const auto one = world.agent("h1", "192.0.2.1");
  const auto two = world.agent("h2", "192.0.2.2");
  one->join("n");
  two->join("n");
  one->all_until_now();
  v1::ChangeRequest change;
  for (const auto* name : {"a", "b"}) change.add_operations()->set_endpoint_del(name);
  change.add_operations()->set_network_del("n");
  world.server.must_change(change);
  const auto list = one->next(v1::FromController::kFloodList).flood_list();
  CHECK(list.full());
  CHECK(list.add_size() == 0);
  const auto told = one->next(v1::FromController::kNetworkGone).network_gone();
  CHECK(told.vni() == 100);
  CHECK(told.revision() == list.revision());
  CHECK(one->join("n").has_problem());
}

TEST_CASE("who has joined a network that is deleted has joined it when it is there again") {
  World world;
  const auto one = world.agent("h1", "192.0.2.1");
  const auto two = world.agent("h2", "192.0.2.2");
  one->join("n");
  v1::ChangeRequest gone;
  for (const auto* name : {"a", "b"}) gone.add_operations()->set_endpoint_del(name);
  gone.add_operations()->set_network_del("n");
  world.server.must_change(gone);
  // Its session may begin while there is none.
  CHECK(two->ask_for([](auto& request) { request.mutable_join()->set_vni(100); }).has_problem());
  one->all_until_now();
  two->all_until_now();

  v1::ChangeRequest again;
  add_network(again, "n", "t", 100, {"10.0.0.0/24"});
  world.server.must_change(again);
  for (const auto& [agent, other] : {std::pair{one.get(), two.get()}, {two.get(), one.get()}}) {
    CHECK(agent->next(v1::FromController::kNetwork).network().name() == "n");
    auto list = agent->next(v1::FromController::kFloodList).flood_list();
    while (!list.full()) list = agent->next(v1::FromController::kFloodList).flood_list();
    REQUIRE(list.add_size() == 1);
    CHECK(HostId{list.add(0)} == other->id());
  }
}

TEST_CASE("a host is deleted when it is gone, with its attachments") {
  World world;
  const auto one = world.agent("h1", "192.0.2.1");
  one->join("n");
  auto two = world.agent("h2", "192.0.2.2");
  two->join("n");
  const auto attached = two->attach("a");
  one->ask({kMacA});
  one->next_bindings();
  v1::ChangeRequest change;
  change.add_operations()->set_host_del("h2");
  v1::ChangeReply reply;
  const auto refused = world.server.change(change, &reply);
  CHECK(refused.error_code() == grpc::StatusCode::FAILED_PRECONDITION);
  const auto id = two->id();
  two.reset();
  world.wait_disconnected("h2");
  one->all_until_now();
  world.server.must_change(change);
  const auto list = one->next(v1::FromController::kFloodList).flood_list();
  REQUIRE(list.remove_size() == 1);
  CHECK(HostId{list.remove(0)} == id);
  const auto hosts = one->next(v1::FromController::kHosts).hosts();
  CHECK(hosts.hosts(0).removed());
  CHECK(mac_of(one->next_bindings().front()).verdict == Verdict::kNotFound);
  two = world.agent("h2", "192.0.2.2");
  CHECK(two->id() != id);  // never reused
  CHECK(two->activate("a", attached.generation()).has_problem());
}

TEST_CASE("too much interest is answered with a resync and an empty start") {
  World world{{.interest = 16}};
  const auto one = world.agent("h1", "192.0.2.1");
  std::vector<Key> keys;
  for (std::uint32_t i = 0; i < 32; ++i)
    keys.emplace_back(IpKey{kVni, IpAddress::v4(0x0a000000 + i)});
  one->ask(keys);
  CHECK(one->next().has_resync());
  one->ask({kIpA});
  CHECK(one->next_bindings().size() == 1);
}

TEST_CASE("an agent that does not read is resynced, and its queue does not grow") {
  World world{{}, {.bindings = 64, .messages = 16384}};
  const auto one = world.agent("h1", "192.0.2.1");
  v1::ChangeRequest change;
  std::vector<Key> keys;
  constexpr int kMany = 300;
  for (int i = 0; i < kMany; ++i) {
    const auto mac = MacAddress{
        {0x02, 1, 0, 0, static_cast<std::uint8_t>(i >> 8), static_cast<std::uint8_t>(i & 0xff)}};
    add_endpoint(change, "e" + std::to_string(i), "n", mac.to_string().c_str(), {});
    keys.emplace_back(MacKey{kVni, mac});
  }
  world.server.must_change(change);
  const auto two = world.agent("h2", "192.0.2.2");
  for (int i = 0; i < kMany; ++i) two->attach("e" + std::to_string(i));
  one->ask(keys);  // more at once than may wait
  one->next(v1::FromController::kResync);
  one->all_until_now();
  one->ask({keys.front()});
  CHECK(mac_of(one->next_bindings().front()).verdict == Verdict::kFound);
}

TEST_CASE("malformed words end the stream, and the controller goes on") {
  World world;
  v1::FromAgent message;
  SECTION("something before hello") {
    FakeAgent agent{world.server.channel(), "h1", "192.0.2.1"};
    agent.ask({kMacA});
    CHECK(agent.end().error_code() == grpc::StatusCode::INVALID_ARGUMENT);
  }
  SECTION("a hello that is wrong") {
    FakeAgent agent{world.server.channel(), "h1", "192.0.2.1"};
    auto* hello = message.mutable_hello();
    hello->set_protocol(1);
    hello->set_host("h1");
    hello->set_vtep(api::to_bytes(*IpAddress::parse("192.0.2.1")));
    const auto spoil = GENERATE(0, 1, 2, 3);
    if (spoil == 0) hello->set_protocol(2);
    if (spoil == 1) hello->set_host("a/b");
    if (spoil == 2) hello->set_vtep("123");
    if (spoil == 3) hello->set_vtep_port(70000);
    agent.say(message);
    CHECK(agent.end().error_code() == grpc::StatusCode::INVALID_ARGUMENT);
  }
  SECTION("hello twice") {
    const auto agent = world.agent("h1", "192.0.2.1");
    agent->say_hello();
    CHECK(agent->end().error_code() == grpc::StatusCode::INVALID_ARGUMENT);
  }
  SECTION("a key of a wrong length") {
    const auto agent = world.agent("h1", "192.0.2.1");
    auto* set = message.mutable_ask()->add_sets();
    set->set_vni(100);
    set->add_macs("12345");
    agent->say(message);
    CHECK(agent->end().error_code() == grpc::StatusCode::INVALID_ARGUMENT);
  }
  SECTION("a VNI out of range") {
    const auto agent = world.agent("h1", "192.0.2.1");
    message.mutable_ask()->add_sets()->set_vni(1U << 24U);
    agent->say(message);
    CHECK(agent->end().error_code() == grpc::StatusCode::INVALID_ARGUMENT);
  }
  SECTION("a request whose addresses or numbers are none") {
    const auto agent = world.agent("h1", "192.0.2.1");
    const auto spoil = GENERATE(0, 1, 2, 3);
    auto* request = message.mutable_request();
    if (spoil == 0) request->mutable_leave()->set_vni(0);
    if (spoil == 1) request->mutable_join()->set_vni(1U << 24U);
    if (spoil == 2) request->mutable_announce()->set_vni(100);
    if (spoil == 3) {
      request->mutable_announce()->set_mac(api::to_bytes(kMacA.mac));
      request->mutable_announce()->set_ip(api::to_bytes(kIpA.ip));
    }
    agent->say(message);
    CHECK(agent->end().error_code() == grpc::StatusCode::INVALID_ARGUMENT);
  }
  world.agent("h2", "192.0.2.2")->attach("a");
}

TEST_CASE("unknown words are ignored") {
  World world;
  const auto one = world.agent("h1", "192.0.2.1");
  one->say(v1::FromAgent{});
  v1::FromAgent applied;
  applied.mutable_applied()->set_revision(1);
  one->say(applied);
  CHECK(one->all_until_now().empty());
}

TEST_CASE("what the store refuses is not confirmed, not told, and not remembered") {
  World world;
  const auto one = world.agent("h1", "192.0.2.1");
  one->ask({kMacA});
  one->next_bindings();
  const auto generation = one->prepare("a").attachment().generation();
  world.store.fail_with(Error{ErrorCode::kSystem, "disk full"});
  const auto refused = one->activate("a", generation);
  REQUIRE(refused.has_problem());
  CHECK(refused.problem().message() == "disk full");
  CHECK(refused.attachment().state() == v1::Attachment::GONE);
  v1::ChangeRequest change;
  add_tenant(change, "t9");
  v1::ChangeReply reply;
  CHECK(world.server.change(change, &reply).error_code() == grpc::StatusCode::INTERNAL);
  CHECK(world.server.show(v1::ShowRequest::TENANT).size() == 1);
  world.store.fail_with(std::nullopt);
  CHECK(one->all_until_now().empty());
  CHECK_FALSE(one->activate("a", generation).has_problem());
}

}  // namespace
}  // namespace dove::controller
