#include "agent/datapath/table_audit.h"

#include <asio/post.hpp>
#include <utility>

#include "netlink/dump.h"

namespace dove::agent {
namespace {

// Long enough for the kernel's word of a change to be read, and for a change to follow it.
constexpr std::chrono::milliseconds kSecondLook{100};

}  // namespace

Result<std::unique_ptr<TableAudit>> TableAudit::open(asio::io_context& io,
                                                     const Programmer& programmer) {
  auto query = netlink::Query::open(1);
  if (!query) return query.error();
  return std::unique_ptr<TableAudit>{new TableAudit{io, programmer, std::move(*query)}};
}

TableAudit::TableAudit(asio::io_context& io, const Programmer& programmer, netlink::Query query)
    : io_{io}, programmer_{programmer}, query_{std::move(query)}, timer_{io} {}

void TableAudit::look(Vni vni, Done done) { begin(vni, std::nullopt, std::move(done)); }

void TableAudit::stop() {
  *alive_ = false;
  timer_.cancel();
  look_.reset();
}

void TableAudit::begin(Vni vni, std::optional<std::vector<TableDifference>> before, Done done) {
  const auto mirror = programmer_.mirror(vni);
  const EntryForm form = mirror ? mirror->form : EntryForm{};
  look_.emplace(
      Look{vni, form, TableComparison{form}, std::nullopt, std::move(before), std::move(done)});
  again_soon();
}

Status TableAudit::ask(Table table) {
  look_->table = table;
  const IfIndex vxlan = look_->form.vxlan;
  return query_.begin_dump(table == Table::kFdb ? netlink::fdb_question(vxlan)
                                                : netlink::neighbours_question(vxlan));
}

// Behind whatever else waits for the loop.
void TableAudit::again_soon() {
  asio::post(io_, [this, alive = alive_] {
    if (*alive && look_) turn();
  });
}

void TableAudit::turn() {
  const auto mirror = programmer_.mirror(look_->vni);
  if (!mirror || mirror->form.vxlan != look_->form.vxlan) return give_up({});
  const auto more = look_->table ? read(mirror->tables) : Result<bool>{false};
  if (!more) return give_up(more.error());
  if (*more) return again_soon();
  if (look_->table == Table::kNeighbours) return end_look(mirror->tables);
  if (const auto asked = ask(look_->table ? Table::kNeighbours : Table::kFdb); !asked)
    return give_up(asked.error());
  again_soon();
}

// The kernel may be in the middle of a table, and would not begin another on that socket.
void TableAudit::give_up(const Status& why) {
  if (auto anew = netlink::Query::open(1)) query_ = *std::move(anew);
  if (!why) return finish(why.error());
  finish(std::vector<TableDifference>{});
}

Result<bool> TableAudit::read(const Tables& wanted) {
  const IfIndex vxlan = look_->form.vxlan;
  return query_.proceed([&](const netlink::Message& message) {
    if (look_->table == Table::kFdb) {
      if (const auto row = netlink::own_entry(message, vxlan)) look_->comparison.see(wanted, *row);
    } else if (const auto row = netlink::decode_neighbour(message); row && row->device == vxlan) {
      look_->comparison.see(wanted, *row);
    }
  });
}

void TableAudit::end_look(const Tables& wanted) {
  auto found = look_->comparison.finish(wanted);
  if (found.empty() || look_->before)
    return finish(look_->before ? lasting(*look_->before, found) : std::move(found));
  timer_.expires_after(kSecondLook);
  timer_.async_wait([this, alive = alive_, found = std::move(found)](const std::error_code& error) {
    if (error || !*alive || !look_) return;
    const Vni vni = look_->vni;
    begin(vni, found, std::exchange(look_->done, nullptr));
  });
}

void TableAudit::finish(Result<std::vector<TableDifference>> found) {
  const auto done = std::move(look_->done);
  look_.reset();
  done(std::move(found));
}

}  // namespace dove::agent
