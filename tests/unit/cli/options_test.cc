#include "cli/options.h"

#include "tests/catch.h"

namespace dove::cli {
namespace {

struct Parsed {
  Result<Options> options;
  std::vector<std::string> rest;
};

Parsed parse(const std::vector<std::string>& words) {
  std::span<const std::string> rest{words};
  auto options = parse_options(rest);
  return {std::move(options), {rest.begin(), rest.end()}};
}

std::string error_of(const std::vector<std::string>& words) {
  const auto parsed = parse(words);
  return parsed.options ? "" : parsed.options.error().message;
}

}  // namespace

TEST_CASE("every option in its shortest and its longest form", "[cli]") {
  for (const auto* word : {"-j", "-js", "-json", "--json"}) CHECK(parse({word}).options->json);
  for (const auto* word : {"-p", "-pretty"}) CHECK(parse({word}).options->pretty);
  for (const auto* word : {"-s", "-stats", "-statistics"})
    CHECK(parse({word}).options->statistics == 1);
  for (const auto* word : {"-d", "-details"}) CHECK(parse({word}).options->details == 1);
  for (const auto* word : {"-br", "-brief"}) CHECK(parse({word}).options->brief);
  for (const auto* word : {"-o", "-oneline"}) CHECK(parse({word}).options->oneline);
  for (const auto* word : {"-V", "-Version", "--Version", "--version"})
    CHECK(parse({word}).options->version);
  for (const auto* word : {"-h", "-help", "--help"}) CHECK(parse({word}).options->help);
  CHECK(parse({"-ts"}).options->timestamps);
  CHECK(parse({"-echo"}).options->echo);
  CHECK(parse({"-force"}).options->force);
  CHECK(parse({"--insecure"}).options->insecure);
  CHECK_FALSE(parse({"-j"}).options->wait);
  CHECK(parse({"-wait"}).options->wait == std::chrono::seconds{10});
  CHECK(parse({"-wait=5"}).options->wait == std::chrono::seconds{5});
  CHECK(parse({"--wait=600"}).options->wait == std::chrono::seconds{600});
  for (const auto* word : {"-b", "-batch"})
    CHECK(parse({word, "file"}).options->batch == std::optional<std::string>{"file"});
  CHECK(parse({"-b", "-"}).options->batch == std::optional<std::string>{"-"});
  for (const auto* word : {"-C", "-Controller"})
    CHECK(parse({word, "a:1"}).options->controller == std::optional<std::string>{"a:1"});
  for (const auto* word : {"-S", "-Socket"})
    CHECK(parse({word, "/x"}).options->socket == std::optional<std::string>{"/x"});
}

TEST_CASE("colour", "[cli]") {
  CHECK(parse({"-c"}).options->color == When::kAlways);
  CHECK(parse({"-color"}).options->color == When::kAlways);
  CHECK(parse({"-c=auto"}).options->color == When::kAuto);
  CHECK(parse({"-color=never"}).options->color == When::kNever);
  CHECK(error_of({"-c=blue"}) ==
        "Error: argument \"-c=blue\" is wrong: expected always, auto or never behind the \"=\"");
  const auto color = [](const char* word, const Surroundings& surroundings) {
    return format_of(*parse({word}).options, surroundings).color;
  };
  CHECK(color("-c", {}));
  CHECK_FALSE(color("-c", {.no_color = true}));
  CHECK(color("-c=auto", {.terminal = true}));
  CHECK_FALSE(color("-c=auto", {}));
  CHECK_FALSE(color("-d", {.terminal = true}));
  CHECK_FALSE(format_of(*parse({"-c", "-j"}).options, {}).color);
  CHECK(format_of({}, {.colorfgbg = "15;0"}).dark);
  CHECK_FALSE(format_of({}, {.colorfgbg = "0;15"}).dark);
}

TEST_CASE("options end where the object begins", "[cli]") {
  const auto parsed = parse({"-j", "-p", "-d", "-d", "tenant", "-x"});
  REQUIRE(parsed.options.ok());
  CHECK(parsed.options->details == 2);
  CHECK(parsed.rest == std::vector<std::string>{"tenant", "-x"});
  CHECK(parse({"-j", "--", "-x"}).rest == std::vector<std::string>{"-x"});
  CHECK(parse({"-"}).rest == std::vector<std::string>{"-"});
}

TEST_CASE("wrong options are named", "[cli]") {
  CHECK(error_of({"-jsno"}) ==
        "Option \"-jsno\" is unknown, try \"dovectl help\". Did you mean \"-json\"?");
  CHECK(error_of({"-w"}) == "Option \"-w\" is unknown, try \"dovectl help\".");
  CHECK(error_of({"-b"}) ==
        "Command line is not complete. Try option \"help\" (expected FILE behind \"-b\")");
  CHECK(error_of({"--Controller"}).ends_with("(expected ADDR[,ADDR]... behind \"--Controller\")"));
  CHECK(error_of({"-S"}).ends_with("(expected PATH behind \"-S\")"));
  CHECK(error_of({"--controller"}).ends_with("Did you mean \"-Controller\"?"));
  CHECK(error_of({"-json=1"}) ==
        "Error: argument \"-json=1\" is wrong: option -json takes no \"=\"");
  for (const std::string word :
       {"-wait=x", "-wait=", "-wait=5s", "-wait=-1", "-wait=0", "-wait=601"})
    CHECK(error_of({word.c_str()}) ==
          "Error: argument \"" + word +
              "\" is wrong: expected a number of seconds from 1 to 600 behind the \"=\"");
  CHECK(error_of({"--"}).empty());
  CHECK(error_of({"---json"}) ==
        "Option \"---json\" is unknown, try \"dovectl help\". Did you mean \"-json\"?");
}

}  // namespace dove::cli
