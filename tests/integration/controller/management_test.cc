// Changes and shows as dovectl makes them, over a real channel.
#include "tests/integration/controller/fake_agent.h"
#include "tests/integration/controller/server.h"

namespace dove::controller {
namespace {

TEST_CASE("a change is all or nothing") {
  MemoryStore store;
  const TestServer server{store};
  v1::ChangeRequest change;
  add_tenant(change, "t");
  add_network(change, "n", "t", 100, {"10.0.0.0/24"});
  add_network(change, "m", "t", 100, {"10.1.0.0/24"});  // the VNI is in use by then
  v1::ChangeReply reply;
  const auto status = server.change(change, &reply);
  CHECK(status.error_code() == grpc::StatusCode::FAILED_PRECONDITION);
  CHECK(status.error_message().find("VNI 100") != std::string::npos);
  CHECK(server.show(v1::ShowRequest::TENANT).empty());
  CHECK(store.read_all()->records.empty());
  CHECK(store.read_all()->revision == 0);
}

TEST_CASE("what a change made is returned in order, with what was chosen") {
  MemoryStore store;
  const TestServer server{store};
  v1::ChangeRequest change;
  add_tenant(change, "t");
  add_network(change, "n", "t", 0, {"10.0.0.0/24"});
  auto* endpoint = change.add_operations()->mutable_endpoint_add();
  endpoint->set_name("a");
  endpoint->set_network("n");
  endpoint->add_ips("");
  const auto reply = server.must_change(change);
  REQUIRE(reply.objects_size() == 3);
  CHECK(reply.revision() == 1);
  CHECK(reply.objects(0).tenant().name() == "t");
  CHECK(reply.objects(1).network().vni() == 4096);
  CHECK(api::parse_ip(reply.objects(1).network().subnets(0).gateway())->to_string() == "10.0.0.1");
  CHECK(api::parse_ip(reply.objects(2).endpoint().ips(0))->to_string() == "10.0.0.2");
  CHECK(api::parse_mac(reply.objects(2).endpoint().mac())->to_string().starts_with("02:"));

  // The same again is no commit.
  const auto again = server.must_change(change);
  CHECK(again.revision() == 1);
  CHECK(again.objects(2).SerializeAsString() == reply.objects(2).SerializeAsString());
}

TEST_CASE("an empty change and an unknown operation are refused") {
  MemoryStore store;
  const TestServer server{store};
  v1::ChangeRequest change;
  v1::ChangeReply reply;
  CHECK(server.change(change, &reply).error_code() == grpc::StatusCode::INVALID_ARGUMENT);
  change.add_operations();
  CHECK(server.change(change, &reply).error_code() == grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_CASE("more than one part is shown in order of names") {
  MemoryStore store;
  const TestServer server{store};
  v1::ChangeRequest change;
  constexpr int kMany = 1300;
  for (int i = 0; i < kMany; ++i) add_tenant(change, "t" + std::to_string(10000 + i));
  server.must_change(change);
  const auto shown = server.show(v1::ShowRequest::TENANT);
  REQUIRE(shown.size() == kMany);
  for (std::size_t i = 0; i < shown.size(); ++i)
    CHECK(shown[i].tenant().name() == "t" + std::to_string(10000 + i));
}

TEST_CASE("one is shown by name, and endpoints by network") {
  MemoryStore store;
  const TestServer server{store};
  v1::ChangeRequest change;
  add_tenant(change, "t");
  add_network(change, "n", "t", 0, {"10.0.0.0/24"});
  add_network(change, "m", "t", 0, {"10.1.0.0/24"});
  add_endpoint(change, "a", "n", "02:00:00:00:00:01", {"10.0.0.5"});
  add_endpoint(change, "b", "m", "02:00:00:00:00:02", {"10.1.0.5"});
  server.must_change(change);
  CHECK(server.show(v1::ShowRequest::NETWORK, "m").front().network().vni() == 4097);
  v1::ShowRequest request;
  request.set_kind(v1::ShowRequest::ENDPOINT);
  request.set_network("m");
  std::vector<v1::Object> objects;
  REQUIRE(server.show(request, &objects).ok());
  REQUIRE(objects.size() == 1);
  CHECK(objects[0].endpoint().name() == "b");
  CHECK(objects[0].endpoint().tenant() == "t");
  CHECK(objects[0].endpoint().state() == v1::Attachment::GONE);
  request.set_network("nowhere");
  CHECK(server.show(request, &objects).error_code() == grpc::StatusCode::NOT_FOUND);
  request.set_network("");
  request.set_name("nobody");
  CHECK(server.show(request, &objects).error_code() == grpc::StatusCode::NOT_FOUND);
}

TEST_CASE("an attached endpoint is shown with its host") {
  MemoryStore store;
  const TestServer server{store};
  v1::ChangeRequest change;
  add_tenant(change, "t");
  add_network(change, "n", "t", 0, {"10.0.0.0/24"});
  add_endpoint(change, "a", "n", "02:00:00:00:00:01", {"10.0.0.5"});
  server.must_change(change);
  FakeAgent agent{server.channel(), "h1", "192.0.2.1"};
  agent.connect().attach("a");
  const auto shown = server.show(v1::ShowRequest::ENDPOINT, "a").front().endpoint();
  CHECK(shown.host() == "h1");
  CHECK(api::parse_ip(shown.vtep())->to_string() == "192.0.2.1");
  CHECK(shown.vtep_port() == 4789);
  CHECK(shown.state() == v1::Attachment::ACTIVE);
  CHECK(server.show(v1::ShowRequest::HOST).front().host().endpoints() == 1);
}

}  // namespace
}  // namespace dove::controller
