// Compares a network's tables in the kernel with what they should hold, in slices: a part of a
// table a turn of the loop. What differs is looked at twice, a moment apart, and only what differs
// in the same way both times is a difference: the rest was on its way.
//
// Belongs to the loop thread. One network at a time.
#pragma once

#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "agent/datapath/programmer.h"
#include "agent/datapath/tables.h"
#include "core/result.h"
#include "netlink/query.h"

namespace dove::agent {

class TableAudit {
 public:
  using Done = std::function<void(Result<std::vector<TableDifference>>)>;

  // `programmer` outlives what is under way, or stop() comes first.
  static Result<std::unique_ptr<TableAudit>> open(asio::io_context& io,
                                                  const Programmer& programmer);

  // Precondition: nothing is under way. A network that goes meanwhile has no differences.
  void look(Vni vni, Done done);
  // `done` is not called any more.
  void stop();

 private:
  enum class Table : std::uint8_t { kFdb, kNeighbours };
  // One look from its first to its last row.
  struct Look {
    Vni vni;
    EntryForm form;
    TableComparison comparison;
    std::optional<Table> table;                          // asked for
    std::optional<std::vector<TableDifference>> before;  // by the first look
    Done done;
  };

  TableAudit(asio::io_context& io, const Programmer& programmer, netlink::Query query);
  void begin(Vni vni, std::optional<std::vector<TableDifference>> before, Done done);
  Status ask(Table table);
  void turn();
  Result<bool> read(const Tables& wanted);
  void end_look(const Tables& wanted);
  void give_up(const Status& why);
  void finish(Result<std::vector<TableDifference>> found);
  void again_soon();

  asio::io_context& io_;
  const Programmer& programmer_;
  netlink::Query query_;
  asio::steady_timer timer_;
  std::optional<Look> look_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace dove::agent
