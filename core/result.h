// What a function that can fail returns: a value, or why there is none.
//
// An Error is made where the cause is known, travels unchanged, and is shown once, at the edge. Its
// message is one sentence that names the bad thing and what was expected, without a trailing full
// stop, fit to stand behind "Error: ".
#pragma once

#include <cassert>
#include <optional>
#include <string>
#include <utility>
#include <variant>

namespace dove {

enum class ErrorCode {
  kInvalid,      // the request makes no sense, whatever the state
  kNotFound,     // it names something that does not exist
  kExists,       // what it wants to add is there, with other values
  kConflict,     // right in itself, but the present state forbids it (in use, older generation)
  kDenied,       // the asker may not
  kUnavailable,  // the other side cannot be reached now; the same request may succeed later
  kSystem,       // the kernel or the disk refused; `os_error` says how
};

struct Error {
  ErrorCode code = ErrorCode::kInvalid;
  std::string message;
  int os_error = 0;  // errno, when code is kSystem

  friend bool operator==(const Error&, const Error&) = default;
};

template <class T>
class [[nodiscard]] Result {
 public:
  // Implicit on purpose: `return value;` and `return Error{...};` both read well.
  Result(T value) : state_{std::in_place_index<0>, std::move(value)} {}
  Result(Error error) : state_{std::in_place_index<1>, std::move(error)} {}

  bool ok() const noexcept { return state_.index() == 0; }
  explicit operator bool() const noexcept { return ok(); }

  // Precondition: ok().
  const T& value() const& noexcept { return *get(); }
  T& value() & noexcept { return *const_cast<T*>(get()); }
  T&& value() && noexcept { return std::move(*const_cast<T*>(get())); }
  const T& operator*() const& noexcept { return value(); }
  T& operator*() & noexcept { return value(); }
  T&& operator*() && noexcept { return std::move(*this).value(); }
  const T* operator->() const noexcept { return get(); }
  T* operator->() noexcept { return const_cast<T*>(get()); }

  // Precondition: !ok().
  const Error& error() const noexcept {
    const auto* error = std::get_if<1>(&state_);
    assert(error != nullptr);
    return *error;
  }

 private:
  const T* get() const noexcept {
    const auto* value = std::get_if<0>(&state_);
    assert(value != nullptr);
    return value;
  }
  std::variant<T, Error> state_;
};

// Success carries nothing: `return {};`.
template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_{std::move(error)} {}

  bool ok() const noexcept { return !error_; }
  explicit operator bool() const noexcept { return ok(); }

  // Precondition: !ok().
  const Error& error() const noexcept {
    assert(error_);
    return *error_;
  }

 private:
  std::optional<Error> error_;
};

using Status = Result<void>;

}  // namespace dove
