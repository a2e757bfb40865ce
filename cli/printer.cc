#include "cli/printer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "cli/text.h"

namespace dove::cli {
namespace {

std::string_view escape_of(Color color, bool dark, std::string_view text) {
  const bool v6 = text.find(':') != std::string_view::npos;
  switch (color) {
    case Color::kNone:
      return {};
    case Color::kName:
      return dark ? "\033[1;36m" : "\033[36m";
    case Color::kMac:
      return dark ? "\033[1;33m" : "\033[33m";
    case Color::kIp:
      if (v6) return dark ? "\033[1;34m" : "\033[34m";
      return dark ? "\033[1;35m" : "\033[35m";
    case Color::kGood:
      return dark ? "\033[1;32m" : "\033[32m";
    case Color::kBad:
      return dark ? "\033[1;31m" : "\033[31m";
  }
  return {};
}

class TextForm {
 public:
  explicit TextForm(const Format& format) : format_{format} {}

  std::string block(const Record& record) {
    for (const auto& field : record)
      if (shown(field)) first_line(field);
    for (const auto& field : record)
      if (shown(field) && field.place == Place::kLines) lines(field);
    return std::move(out_) + "\n";
  }

  std::string columns(const Record& record) {
    for (const auto& field : record) {
      if (field.column == 0) continue;
      const auto text = plain(field.value);
      if (!out_.empty()) out_ += ' ';
      paint(text.empty() ? "-" : text, field.color);
      if (text.size() < field.column) out_.append(field.column - std::max(text.size(), 1UL), ' ');
    }
    out_.erase(out_.find_last_not_of(' ') + 1);
    return std::move(out_) + "\n";
  }

 private:
  bool shown(const Field& field) const {
    if (field.place == Place::kHidden || plain(field.value).empty()) return false;
    if (field.level == Level::kDetails) return format_.details > 0;
    if (field.level == Level::kStatistics) return format_.statistics > 0;
    return true;
  }

  void first_line(const Field& field) {
    if (field.place == Place::kLines) return;
    if (!out_.empty()) out_ += ' ';
    if (field.place == Place::kInline) out_ += fmt::format("{} ", word(field));
    paint(plain(field.value), field.color);
    if (field.place == Place::kTitle) out_ += ':';
  }

  void lines(const Field& field) {
    const std::string_view new_line = format_.oneline ? "\\    " : "\n    ";
    if (const auto* record = std::get_if<Record>(&field.value.state())) {
      out_ += new_line;
      pairs(*record);
    }
    const auto* list = std::get_if<Value::List>(&field.value.state());
    if (list == nullptr) return;
    for (const auto& item : *list) {
      out_ += new_line;
      if (const auto* record = std::get_if<Record>(&item.state()))
        pairs(*record);
      else
        pairs({Field{.key = word(field), .value = item, .color = field.color}});
    }
  }

  void pairs(const Record& record) {
    bool first = true;
    for (const auto& field : record) {
      if (!shown(field)) continue;
      if (!std::exchange(first, false)) out_ += ' ';
      out_ += fmt::format("{} ", word(field));
      paint(plain(field.value), field.color);
    }
  }

  void paint(const std::string& text, Color color) {
    const auto escape = format_.color ? escape_of(color, format_.dark, text) : std::string_view{};
    out_ += escape;
    out_ += text;
    if (!escape.empty()) out_ += "\033[0m";
  }

  static std::string_view word(const Field& field) {
    return field.word.empty() ? field.key : field.word;
  }

  // Without colour; empty for null. Of a record in a list the first field stands for the whole.
  static std::string plain(const Value& value) {
    struct Visitor {
      std::string operator()(Value::Null) const { return {}; }
      std::string operator()(bool flag) const { return flag ? "on" : "off"; }
      std::string operator()(std::uint64_t number) const { return std::to_string(number); }
      std::string operator()(const std::string& text) const { return printable(text); }
      std::string operator()(const Record& record) const {
        return record.empty() ? std::string{} : plain(record.front().value);
      }
      std::string operator()(const Value::List& list) const {
        std::string out;
        for (const auto& item : list) out += (out.empty() ? "" : " ") + plain(item);
        return out;
      }
    };
    return std::visit(Visitor{}, value.state());
  }

  const Format& format_;
  std::string out_;
};

}  // namespace

std::string to_text(const Record& record, const Format& format) {
  TextForm form{format};
  return format.brief ? form.columns(record) : form.block(record);
}

void Printer::begin() {
  list_ = true;
  first_ = true;
}

void Printer::add(const Record& record, std::string_view prefix) {
  if (format_.json) {
    pending_ += std::exchange(first_, false) ? "" : ",";
    if (format_.pretty) pending_ += "\n";
    pending_ += to_json(record, format_.pretty);
    return;
  }
  pending_ += prefix;
  pending_ += to_text(record, format_);
}

void Printer::text(std::string_view key, std::string_view lines) {
  if (!format_.json) {
    pending_ += lines;
    return;
  }
  begin();
  add({{.key = key, .value = lines}});
}

Status Printer::finish() {
  if (std::exchange(list_, false) && format_.json)
    pending_ = "[" + std::move(pending_) + (format_.pretty && !first_ ? "\n]\n" : "]\n");
  const std::string bytes = std::exchange(pending_, {});
  if (std::fwrite(bytes.data(), 1, bytes.size(), out_) == bytes.size() && std::fflush(out_) == 0)
    return {};
  return Error{ErrorCode::kSystem, fmt::format("cannot write: {}", std::strerror(errno)), errno};
}

void Printer::discard() noexcept {
  list_ = false;
  pending_.clear();
}

}  // namespace dove::cli
