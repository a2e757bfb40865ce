// Messages of an agent or a controller, made of a fuzzer's bytes: now and then any bytes at all,
// else about few networks, guests, addresses and hosts, so that one message concerns what another
// did. Plain bytes hardly ever do.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "api/convert.h"
#include "dove/v1/agent.pb.h"

namespace dove::fuzz {

class Maker {
 public:
  Maker(const std::uint8_t* data, std::size_t size) : data_{data}, left_{size} {}

  bool done() const noexcept { return left_ == 0; }
  // Below `limit`; 0 when nothing is left.
  std::uint32_t choose(std::uint32_t limit) {
    if (left_ == 0) return 0;
    --left_;
    return *data_++ % limit;
  }
  v1::FromAgent from_agent();
  v1::FromController from_controller();

 private:
  bool chance(std::uint32_t in) { return choose(in) == 1; }
  std::string bytes();
  std::string mac();
  std::string group();
  std::string ip();
  std::string vtep();
  std::string endpoint();
  std::string network();
  std::uint32_t vni();
  std::uint32_t host() { return choose(5); }
  std::uint64_t number() { return chance(8) ? ~std::uint64_t{0} - choose(2) : choose(16); }
  template <class Message>
  bool raw(Message& message);
  void fill(v1::Keys* keys);
  void fill(v1::Hello* hello);
  void fill(v1::Groups* groups);
  void fill(v1::Request* request);
  void fill(v1::Binding* binding, std::uint32_t vni);
  void fill(v1::HostRecord* host);
  void fill(v1::NetworkSettings* network);
  void fill(v1::Attachment* attachment);
  void fill(v1::Replica* replica);
  template <class List>
  void fill_list(List* list);

  const std::uint8_t* data_;
  std::size_t left_;
};

}  // namespace dove::fuzz
