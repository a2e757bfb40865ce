// Objects at stable addresses, named by small numbers, made and destroyed in any order without
// going to the heap each time. Memory once taken is kept for the next object.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <utility>
#include <vector>

namespace dove::agent {

template <class T>
class Slab {
 public:
  Slab() = default;
  Slab(const Slab&) = delete;
  Slab& operator=(const Slab&) = delete;
  // Precondition: every object has been destroyed; the owner knows where they are.
  ~Slab() = default;

  template <class... Args>
  std::uint32_t make(Args&&... args) {
    if (free_.empty()) grow();
    const std::uint32_t id = free_.back();
    free_.pop_back();
    ::new (place(id)) T(std::forward<Args>(args)...);
    return id;
  }
  void destroy(std::uint32_t id) noexcept {
    (*this)[id].~T();
    free_.push_back(id);  // has room: grow() reserved it
  }
  T& operator[](std::uint32_t id) const noexcept {
    return *std::launder(reinterpret_cast<T*>(place(id)));
  }
  std::size_t size() const noexcept { return chunks_.size() * kChunk - free_.size(); }

 private:
  static constexpr std::size_t kChunk = 256;
  struct alignas(T) Place {
    std::byte bytes[sizeof(T)];
  };
  void* place(std::uint32_t id) const noexcept { return &chunks_[id / kChunk][id % kChunk]; }
  void grow() {
    const auto first = static_cast<std::uint32_t>(chunks_.size() * kChunk);
    chunks_.push_back(std::make_unique<Place[]>(kChunk));
    free_.reserve(chunks_.size() * kChunk);
    for (std::uint32_t i = kChunk; i-- > 0;) free_.push_back(first + i);
  }
  std::vector<std::unique_ptr<Place[]>> chunks_;
  std::vector<std::uint32_t> free_;
};

}  // namespace dove::agent
