#include "controller/registry.h"

#include <fmt/format.h>

#include "api/convert.h"
#include "controller/render.h"
#include "core/name.h"

namespace dove::controller {
namespace {

constexpr std::chrono::seconds kTick{1};
constexpr std::size_t kObjectsPerPart = 512;
constexpr std::chrono::minutes kLongestWait{10};

const Error kStopping{ErrorCode::kUnavailable, "the controller is stopping"};

TimePoint now() { return std::chrono::steady_clock::now(); }

std::string guest_text(const MacKey& key) {
  return fmt::format("for a guest in VNI {}, MAC {}", key.vni.value(), key.mac.to_string());
}

TimePoint end_of(Registry::Wait wait) {
  return now() + std::min<Registry::Wait>(wait, kLongestWait);
}

template <class Reply>
void add_lags(const std::vector<v1::Lag>& lagging, Reply& reply) {
  reply.mutable_lagging()->Add(lagging.begin(), lagging.end());
}

void render(const Sessions::Presence& presence, v1::Host* message) {
  message->set_state(presence.connected ? v1::Host::CONNECTED
                     : presence.suspect ? v1::Host::SUSPECT
                                        : v1::Host::DISCONNECTED);
  message->set_version(presence.version);
  if (!presence.connected)
    message->set_silent_ms(static_cast<std::uint64_t>(presence.silence.count()));
}

// Renders objects of `all`: the one that is named, or a part's worth behind `after`. True when none
// is left.
template <class T, class Render>
Result<bool> show_kind(std::string_view kind, const ByName<T>& all, const Registry::Query& query,
                       Registry::Part& part, Render render) {
  if (!query.name.empty()) {
    const auto one = all.find(query.name);
    if (one == all.end()) return unknown(kind, query.name);
    render(one->second);
    return true;
  }
  auto at = query.after.empty() ? all.begin() : all.upper_bound(query.after);
  for (std::size_t i = 0; i < kObjectsPerPart && at != all.end(); ++i, ++at) {
    render(at->second);
    part.after = at->first;
  }
  return at == all.end();
}

}  // namespace

Registry::Registry(Store& store, Sessions& sessions, OperatorLog log)
    : store_{store}, sessions_{sessions}, log_{log} {}

Result<std::unique_ptr<Registry>> Registry::open(Store& store, Sessions& sessions,
                                                 OperatorLog log) {
  std::unique_ptr<Registry> registry{new Registry{store, sessions, log}};
  if (auto status = registry->load(); !status) return status.error();
  registry->thread_ = std::thread{[raw = registry.get()] { raw->run(); }};
  return registry;
}

Registry::~Registry() { stop(); }

Status Registry::load() {
  const auto snapshot = store_.read_all();
  if (!snapshot) return snapshot.error();
  const auto loaded_at = now();
  for (const auto& record : snapshot->records) {
    const auto value = decode(record.key, record.value);
    if (!value) return value.error();
    state_.put(*value, record.revision, loaded_at);
  }
  if (auto status = state_.check(); !status) return status;
  for (const auto& [name, endpoint] : state_.endpoints())
    if (endpoint.mac == sessions_.router_mac())
      return Error{ErrorCode::kConflict,
                   fmt::format("endpoint \"{}\" has MAC {}, which is to be that of every gateway",
                               name, endpoint.mac.to_string())};
  revision_ = snapshot->revision;
  sessions_.load(everything(state_, revision_));
  log_.loaded(state_, revision_);
  return {};
}

// --- the queue

void Registry::post(Job job) {
  {
    const std::lock_guard lock{mutex_};
    if (!stopping_) {
      jobs_.push_back(std::move(job));
      wake_.notify_one();
      return;
    }
  }
  job(true);
}

void Registry::run() {
  auto next_tick = now() + kTick;
  std::unique_lock lock{mutex_};
  while (!stopping_) {
    wake_.wait_until(lock, next_tick, [this] { return stopping_ || !jobs_.empty(); });
    if (stopping_) return;
    Job job;
    if (!jobs_.empty()) {
      job = std::move(jobs_.front());
      jobs_.pop_front();
    }
    lock.unlock();
    if (doubt_) settle_doubt();
    if (job) job(false);
    if (now() >= next_tick) {
      sessions_.tick(now());
      log_.tick();
      next_tick = now() + kTick;
    }
    if (const auto deadline = sessions_.next_deadline()) next_tick = std::min(next_tick, *deadline);
    job = {};
    lock.lock();
  }
}

void Registry::stop() {
  {
    const std::lock_guard lock{mutex_};
    stopping_ = true;
    wake_.notify_one();
  }
  if (thread_.joinable()) thread_.join();
  for (auto& job : std::exchange(jobs_, {})) job(true);
}

void Registry::change(std::vector<Operation> operations, Wait wait, Done<v1::ChangeReply> done) {
  post([this, operations = std::move(operations), wait, done = std::move(done)](bool refused) {
    if (refused) return done(kStopping);
    const auto before = revision_;
    auto reply = do_change(operations);
    ++counters_.changes;
    if (!reply) count(counters_.changes_refused, reply.error());
    if (!reply || wait == Wait::zero()) return done(std::move(reply));
    const auto over = [reply = *std::move(reply),
                       done](const std::vector<v1::Lag>& lagging) mutable {
      reply.set_waited(true);
      add_lags(lagging, reply);
      done(std::move(reply));
    };
    if (revision_ == before) return sessions_.await_all(end_of(wait), over);
    sessions_.await(std::move(told_), end_of(wait), over);
  });
}

void Registry::settle(Wait wait, Done<v1::SettleReply> done) {
  post([this, wait, done = std::move(done)](bool refused) {
    if (refused) return done(kStopping);
    const auto over = [revision = revision_, done](const std::vector<v1::Lag>& lagging) {
      v1::SettleReply reply;
      reply.set_revision(revision);
      add_lags(lagging, reply);
      done(std::move(reply));
    };
    sessions_.await_all(end_of(wait), over);
  });
}

void Registry::show(Query query, Done<Part> done) {
  post([this, query = std::move(query), done = std::move(done)](bool refused) {
    done(refused ? Result<Part>{kStopping} : do_show(query));
  });
}

void Registry::hello(std::shared_ptr<Peer> peer, Hello hello, Done<HostId> done) {
  post([this, peer = std::move(peer), hello = std::move(hello),
        done = std::move(done)](bool refused) {
    if (refused) return done(kStopping);
    const auto admitted = do_hello(peer, hello);
    if (!admitted) {
      count(counters_.hosts_refused, admitted.error());
      log_.refused(hello, admitted.error());
    }
    done(admitted);
  });
}

void Registry::request(std::shared_ptr<Peer> peer, v1::Request request,
                       std::function<void()> done) {
  post([this, peer = std::move(peer), request = std::move(request),
        done = std::move(done)](bool refused) {
    // What a session said that is over is late.
    if (!refused && sessions_.is_current(*peer)) do_request(peer, request);
    done();
  });
}

// --- changes

Surroundings Registry::surroundings() const {
  return {store_.id(), revision_, [this](HostId host) { return sessions_.is_connected(host); },
          sessions_.router_mac()};
}

Status Registry::commit(Draft& draft) {
  if (draft.changes().empty()) return {};
  sweep(draft);
  const auto transaction = draft.transaction();
  auto changes = draft.changes();
  draft.roll_back();
  const auto began = now();
  const auto committed = store_.commit(transaction);
  counters_.commit_time.add(now() - began);
  if (!committed) {
    ++counters_.store_errors;
    log_.store_failed(revision_, committed.error());
    if (committed.error().code == ErrorCode::kUnavailable && !doubt_) doubt_ = std::move(changes);
    return committed.error();
  }
  conclude(changes, *committed);
  return {};
}

void Registry::conclude(const std::vector<Change>& changes, std::uint64_t revision) {
  ++counters_.commits;
  revision_ = revision;
  apply(state_, changes, revision_, now());
  const auto consequences = consequences_of(state_, changes, revision_);
  sessions_.publish(consequences, told_);
  for (const auto& loss : consequences.losses)
    log_.lost(place_of(loss.endpoint), host_name(loss.host));
}

void Registry::settle_doubt() {
  const auto verdict = store_.settle();
  if (!verdict) return;
  const auto changes = *std::exchange(doubt_, {});
  told_ = {};
  if (*verdict) conclude(changes, **verdict);
  log_.settled(verdict->has_value(), revision_);
}

Result<v1::ChangeReply> Registry::do_change(const std::vector<Operation>& operations) {
  told_ = {};
  Draft draft{state_, now()};
  std::vector<Made> made;
  for (const auto& operation : operations) {
    const auto planned = plan(operation, surroundings(), draft);
    if (!planned) return planned.error();
    if (*planned) made.push_back(**planned);
  }
  if (auto status = commit(draft); !status) return status.error();
  v1::ChangeReply reply;
  reply.set_revision(revision_);
  for (const auto& one : made) render_made(one, reply.add_objects());
  return reply;
}

// An object made and deleted by one change is not shown.
void Registry::render_made(const Made& made, v1::Object* object) const {
  switch (made.kind) {
    case Made::Kind::kTenant:
      if (const auto* tenant = state_.tenant(made.name)) render(*tenant, object->mutable_tenant());
      return;
    case Made::Kind::kNetwork:
      if (const auto* network = state_.network(made.name))
        render(*network, object->mutable_network());
      return;
    case Made::Kind::kEndpoint:
      if (const auto* endpoint = state_.endpoint(made.name))
        render(*endpoint, state_, object->mutable_endpoint());
      return;
    case Made::Kind::kPolicy:
      if (const auto* policy = state_.policy(made.name)) render(*policy, object->mutable_policy());
      return;
  }
}

// --- shows

Result<Registry::Part> Registry::do_show(const Query& query) {
  Part part;
  part.reply.set_store_id(store_.id());
  part.reply.set_revision(revision_);
  if (!query.network.empty() && state_.network(query.network) == nullptr)
    return unknown("network", query.network);
  if (!query.tenant.empty() && state_.tenant(query.tenant) == nullptr)
    return unknown("tenant", query.tenant);
  const auto last = show_objects(query, part);
  if (!last) return last.error();
  part.last = *last;
  return part;
}

Result<bool> Registry::show_objects(const Query& query, Part& part) const {
  const auto object = [&part] { return part.reply.add_objects(); };
  const auto tenant = [&](const auto& t) { render(t, object()->mutable_tenant()); };
  const auto network = [&](const auto& n) { render(n, object()->mutable_network()); };
  const auto endpoint = [&](const auto& e) {
    if (query.network.empty() || e.network == query.network)
      render(e, state_, object()->mutable_endpoint());
  };
  const auto policy = [&](const auto& p) {
    const bool of_tenant = query.tenant.empty() || p.tenant == query.tenant;
    const bool of_network =
        query.network.empty() || p.network == query.network || p.other == query.network;
    if (of_tenant && of_network) render(p, object()->mutable_policy());
  };
  const auto host = [&](const auto& h) {
    auto* message = object()->mutable_host();
    render(h, state_, message);
    render(sessions_.presence_of(h.id, now()), message);
    if (const auto applied = sessions_.applied_by(h.id)) message->set_applied(*applied);
  };
  switch (query.kind) {
    case v1::ShowRequest::TENANT:
      return show_kind("tenant", state_.tenants(), query, part, tenant);
    case v1::ShowRequest::NETWORK:
      return show_kind("network", state_.networks(), query, part, network);
    case v1::ShowRequest::ENDPOINT:
      return show_kind("endpoint", state_.endpoints(), query, part, endpoint);
    case v1::ShowRequest::HOST:
      return show_kind("host", state_.hosts(), query, part, host);
    case v1::ShowRequest::POLICY:
      return show_kind("policy", state_.policies(), query, part, policy);
    default:
      return Error{ErrorCode::kInvalid,
                   fmt::format("kind {} is unknown", static_cast<int>(query.kind))};
  }
}

void Registry::figures(std::function<void(FigureSources)> done) {
  post([this, done = std::move(done)](bool refused) {
    if (!refused) done(do_figures());
  });
}

FigureSources Registry::do_figures() const {
  FigureSources all;
  all.registry = counters_;
  sessions_.add_figures(all);
  auto& sizes = all.sizes;
  sizes.revision = revision_;
  sizes.store_up = store_.takes_commits() ? 1 : 0;
  sizes.tenants = state_.tenants().size();
  sizes.networks = state_.networks().size();
  sizes.policies = state_.policies().size();
  for (const auto& [name, host] : state_.hosts()) {
    const auto presence = sessions_.presence_of(host.id, now());
    ++(presence.connected ? sizes.connected_hosts
       : presence.suspect ? sizes.suspect_hosts
                          : sizes.disconnected_hosts);
    sizes.attached += state_.endpoints_at(host.id).size();
  }
  sizes.detached = state_.endpoints().size() - sizes.attached;
  return all;
}

// --- agents

Result<HostId> Registry::do_hello(const std::shared_ptr<Peer>& peer, const Hello& hello) {
  if (auto status = sessions_.check(hello); !status) return status.error();
  Draft draft{state_, now()};
  const auto host = plan_registration({hello.host, hello.vtep}, draft);
  if (!host) return host.error();
  const bool registered = !draft.changes().empty();
  const auto store = store_word(hello);
  if (auto status = commit(draft); !status) return status.error();
  log_.connected(hello, registered, revision_);
  if (store.other_past) log_.knows_another_past(hello, revision_);
  sessions_.admit(peer, hello, *host, store);
  return *host;
}

StoreWord Registry::store_word(const Hello& hello) const {
  const auto& openings = store_.openings();
  const bool other_past = hello.store_id == store_.id() && hello.revision != 0 &&
                          !is_past(openings, hello.opening, hello.revision, revision_);
  return {store_.id(), openings.back().id, other_past};
}

void Registry::do_request(const std::shared_ptr<Peer>& peer, const v1::Request& request) {
  if (request.has_await()) return do_await(peer, request.id(), request.await());
  told_ = {};
  do_request(*peer, request);
  sessions_.remember(*peer, told_);
}

void Registry::do_await(const std::shared_ptr<Peer>& peer, std::uint64_t id,
                        const v1::Await& await) {
  const auto over = [this, peer, id](const std::vector<v1::Lag>& lagging) {
    v1::FromController message;
    message.mutable_reply()->set_id(id);
    add_lags(lagging, *message.mutable_reply());
    sessions_.send(*peer, std::move(message));
  };
  sessions_.await_changes(*peer, end_of(Wait{await.wait_ms()}), over);
}

void Registry::do_request(Peer& peer, const v1::Request& request) {
  ++counters_.requests;
  v1::FromController message;
  auto& reply = *message.mutable_reply();
  reply.set_id(request.id());
  Status status;
  switch (request.what_case()) {
    case v1::Request::kJoin:
      return do_join(peer, request.id(), request.join());
    case v1::Request::kLeave:
      return do_leave(peer, request.id(), request.leave());
    case v1::Request::kPrepare:
      status = do_prepare(request.prepare(), reply);
      break;
    case v1::Request::kActivate:
      return do_activate(peer, request.id(), request.activate());
    case v1::Request::kDetach:
      status = do_detach(peer, request.detach(), reply);
      break;
    case v1::Request::kAnnounce:
      status = do_announce(peer, request.announce());
      break;
    case v1::Request::kLearn:
      return do_learn(peer, request.id(), request.learn());
    case v1::Request::kUnlearn:
      status = do_unlearn(peer, request.unlearn());
      break;
    case v1::Request::kKeep:
      status = do_keep(peer, request.keep());
      break;
    case v1::Request::kAudit:
      do_audit(peer, request.audit(), reply);
      break;
    case v1::Request::kLookup:
      status = sessions_.look_up(peer, request.lookup(), reply.mutable_bindings());
      break;
    case v1::Request::kMark:
      break;
    default:
      status = Error{ErrorCode::kInvalid, "the request is unknown to this controller"};
      break;
  }
  reply.set_revision(revision_);
  if (!status) refuse(status.error(), reply);
  sessions_.send(peer, std::move(message));
}

void Registry::refuse(const Error& why, v1::Reply& reply) {
  count(counters_.requests_refused, why);
  api::write(why, reply.mutable_problem());
}

void Registry::do_join(Peer& peer, std::uint64_t id, const v1::Join& join) {
  v1::FromController message;
  auto& reply = *message.mutable_reply();
  reply.set_id(id);
  reply.set_revision(revision_);
  const auto vni = Vni::from(join.vni());
  const auto* network = !join.network().empty() ? state_.network(join.network())
                        : vni                   ? state_.network(*vni)
                                                : nullptr;
  if (network == nullptr) {
    const auto name = join.network().empty() ? std::to_string(join.vni()) : join.network();
    refuse(unknown("network", name), reply);
    if (vni && join.network().empty()) sessions_.expect(peer, *vni);
    return sessions_.send(peer, std::move(message));
  }
  sessions_.show(network->vni, reply.mutable_network());
  sessions_.join(peer, network->vni, std::move(message), told_);
}

void Registry::do_leave(Peer& peer, std::uint64_t id, const v1::Leave& leave) {
  v1::FromController message;
  message.mutable_reply()->set_id(id);
  message.mutable_reply()->set_revision(revision_);
  sessions_.leave(peer, *Vni::from(leave.vni()), std::move(message), told_);
}

std::string Registry::host_name(HostId host) const {
  const auto* known = state_.host(host);
  return known == nullptr ? "that was removed" : known->name;
}

OperatorLog::Place Registry::place_of(const Endpoint& endpoint) const {
  return {endpoint, state_.ips_of(endpoint.name),
          endpoint.active ? host_name(endpoint.host) : std::string{}, revision_};
}

void Registry::say_attached(const std::string& endpoint) const {
  if (const auto* known = state_.endpoint(endpoint)) log_.attached(place_of(*known));
}

void Registry::show_attachment(const std::string& name, v1::Reply& reply) const {
  if (const auto* endpoint = state_.endpoint(name))
    render(*endpoint, state_, reply.mutable_attachment());
}

Status Registry::do_prepare(const v1::Prepare& prepare, v1::Reply& reply) {
  const auto* endpoint = state_.endpoint(prepare.endpoint());
  if (endpoint == nullptr) return unknown("endpoint", prepare.endpoint());
  show_attachment(endpoint->name, reply);
  if (!endpoint->active) reply.mutable_attachment()->set_state(v1::Attachment::PREPARED);
  sessions_.show(endpoint->vni, reply.mutable_network());
  return {};
}

// A refusal shows the attachment as it is: the generation that won, and the owner.
void Registry::do_activate(Peer& peer, std::uint64_t id, const v1::Activate& activate) {
  const auto activated = this->activate(peer, activate);
  v1::FromController message;
  auto& reply = *message.mutable_reply();
  reply.set_id(id);
  reply.set_revision(revision_);
  if (!activated) {
    refuse(activated.error(), reply);
    log_.denied(host_name(peer.host), "for endpoint " + activate.endpoint(), activated.error());
  }
  show_attachment(activate.endpoint(), reply);
  if (activated && *activated) return sessions_.confirm(peer, std::move(message), now());
  sessions_.send(peer, std::move(message));
}

// Whether it is new.
Result<bool> Registry::activate(Peer& peer, const v1::Activate& activate) {
  Draft draft{state_, now()};
  const auto planned =
      plan_activation(peer.host, activate.endpoint(), activate.generation(), draft);
  if (!planned) return planned.error();
  const bool fresh = !draft.changes().empty();
  if (const auto committed = commit(draft); !committed) return committed.error();
  sessions_.has_network(peer, state_.endpoint(activate.endpoint())->vni, told_);
  if (fresh) say_attached(activate.endpoint());
  return fresh;
}

Status Registry::do_detach(Peer& peer, const v1::Detach& detach, v1::Reply& reply) {
  Draft draft{state_, now()};
  auto status = plan_detachment(peer.host, detach.endpoint(), detach.generation(), draft);
  if (status) status = commit(draft);
  draft.roll_back();
  show_attachment(detach.endpoint(), reply);
  return status;
}

Status Registry::do_announce(Peer& peer, const v1::Announce& announce) {
  const MacKey key{*Vni::from(announce.vni()), *api::parse_mac(announce.mac())};
  const auto ip = *api::parse_ip(announce.ip());
  Draft draft{state_, now()};
  const auto router =
      announce.has_router() ? std::optional{announce.router()} : std::optional<bool>{};
  if (auto s = plan_announcement(peer.host, {key, ip, router}, surroundings(), draft); !s) {
    log_.denied(host_name(peer.host), guest_text(key) + ", " + ip.to_string(), s.error());
    return s;
  }
  return commit(draft);
}

// Confirmed as an activation is.
void Registry::do_learn(Peer& peer, std::uint64_t id, const v1::Learn& learn) {
  v1::FromController message;
  auto& reply = *message.mutable_reply();
  reply.set_id(id);
  const auto learned = this->learn(peer, learn, reply);
  reply.set_revision(revision_);
  if (!learned) refuse(learned.error(), reply);
  if (learned && *learned) return sessions_.confirm(peer, std::move(message), now());
  sessions_.send(peer, std::move(message));
}

// Whether anything is new.
Result<bool> Registry::learn(Peer& peer, const v1::Learn& learn, v1::Reply& reply) {
  const MacKey key{*Vni::from(learn.vni()), *api::parse_mac(learn.mac())};
  Draft draft{state_, now()};
  const auto name = plan_learning(peer.host, {key, *api::parse_ips(learn.ips()), learn.claimed()},
                                  surroundings(), draft);
  if (!name) {
    log_.denied(host_name(peer.host), guest_text(key), name.error());
    return name.error();
  }
  if (learn.check()) {
    show_attachment(*name, reply);
    return false;
  }
  const bool fresh = !draft.changes().empty();
  if (const auto committed = commit(draft); !committed) return committed.error();
  draft.roll_back();
  sessions_.has_network(peer, key.vni, told_);
  if (fresh) say_attached(*name);
  show_attachment(*name, reply);
  return fresh;
}

Status Registry::do_unlearn(Peer& peer, const v1::Unlearn& unlearn) {
  const MacKey key{*Vni::from(unlearn.vni()), *api::parse_mac(unlearn.mac())};
  Draft draft{state_, now()};
  plan_unlearning(peer.host, key, *api::parse_ips(unlearn.ips()), draft);
  return commit(draft);
}

Status Registry::do_keep(Peer& peer, const v1::Keep& keep) {
  std::set<MacKey> kept;
  for (const auto& set : keep.sets())
    for (const auto& mac : set.macs()) kept.insert({*Vni::from(set.vni()), *api::parse_mac(mac)});
  Draft draft{state_, now()};
  plan_keeping(peer.host, kept, draft);
  return commit(draft);
}

}  // namespace dove::controller
