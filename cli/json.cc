// Records as JSON (RFC 8259), always valid UTF-8: a byte that is not becomes U+FFFD.
#include <fmt/format.h>

#include "cli/printer.h"
#include "cli/text.h"

namespace dove::cli {
namespace {

constexpr std::size_t kIndent = 4;

class JsonForm {
 public:
  explicit JsonForm(bool pretty) : pretty_{pretty} {}

  std::string top(const Record& record) {
    // Within the array of all records.
    if (pretty_) out_.append(kIndent, ' ');
    depth_ = 1;
    object(record);
    return std::move(out_);
  }

 private:
  void value(const Value& value) {
    std::visit([this](const auto& state) { write(state); }, value.state());
  }

  void write(Value::Null) { out_ += "null"; }
  void write(bool flag) { out_ += flag ? "true" : "false"; }
  void write(std::uint64_t number) { out_ += std::to_string(number); }
  void write(const std::string& text) { string(text); }
  void write(const Record& record) { object(record); }
  void write(const Value::List& list) {
    open('[');
    for (const auto& item : list) {
      next();
      value(item);
    }
    close(']');
  }

  void object(const Record& record) {
    open('{');
    for (const auto& field : record) {
      next();
      string(field.key);
      out_ += pretty_ ? ": " : ":";
      value(field.value);
    }
    close('}');
  }

  void open(char bracket) {
    out_ += bracket;
    ++depth_;
    empty_ = true;
  }

  void next() {
    if (!empty_) out_ += ',';
    empty_ = false;
    if (pretty_) new_line();
  }

  void close(char bracket) {
    --depth_;
    if (pretty_ && !empty_) new_line();
    out_ += bracket;
    empty_ = false;
  }

  void new_line() { out_.append(1, '\n').append(depth_ * kIndent, ' '); }

  void string(std::string_view text) {
    out_ += '"';
    while (!text.empty()) {
      const std::size_t size = character_size(text);
      const auto character = text.substr(0, std::max<std::size_t>(size, 1));
      out_ += size == 0 ? "\xef\xbf\xbd" : escaped(character);
      text.remove_prefix(character.size());
    }
    out_ += '"';
  }

  static std::string escaped(std::string_view character) {
    const auto byte = static_cast<unsigned char>(character.front());
    if (byte == '"' || byte == '\\') return fmt::format("\\{}", character);
    if (byte < 0x20 || byte == 0x7f) return fmt::format("\\u{:04x}", byte);
    return std::string{character};
  }

  bool pretty_;
  std::size_t depth_ = 0;
  bool empty_ = true;
  std::string out_;
};

}  // namespace

std::string to_json(const Record& record, bool pretty) { return JsonForm{pretty}.top(record); }

}  // namespace dove::cli
