// Text that is no JSON, and JSON that breaks a schema: where, what, and what would be right.
#include "harness/suite/json_schema.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "harness/core/error.h"
#include "harness/suite/embedded.h"
#include "harness/suite/json_reader.h"
#include "harness/suite/schema_breach.h"
#include "harness/suite/schema_validator.h"

namespace assay {
namespace {

using nlohmann::ordered_json;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

std::string refusal(const std::function<void()>& action) {
  try {
    action();
  } catch (const InputError& error) {
    return error.what();
  }
  ADD_FAILURE() << "accepted";
  return {};
}

std::string syntax(std::string_view text) {
  return refusal([&] { read_json(text, "f.json"); });
}

TEST(ReadJson, KeepsOrderAndKinds) {
  const std::string text = R"({"z":1,"a":[true,null,-2,18446744073709551615,1.5,"x\ny",{},[]]})";
  EXPECT_EQ(read_json(text, "f").dump(), text);
}

TEST(ReadJson, SaysWhere) {
  EXPECT_THAT(syntax("{\n  \"a\": 1,\n  \"b\": }\n"), AllOf(StartsWith("f.json:3:8: syntax error"), HasSubstr("'}'")));
  EXPECT_EQ(syntax(""), "f.json: is empty, expected JSON");
  EXPECT_THAT(syntax("{\"a\": 1"), StartsWith("f.json:1:8: "));
  EXPECT_THAT(syntax("[1] 2"), StartsWith("f.json:1:5: "));
  EXPECT_THAT(syntax("{'a': 1}"), StartsWith("f.json:1:2: "));
  EXPECT_THAT(syntax("[1e999]"), HasSubstr("1e999"));
  EXPECT_THAT(syntax("[NaN]"), StartsWith("f.json:1:2: "));
  EXPECT_THAT(syntax("[\"\xff\"]"), StartsWith("f.json:1:3: "));
}

TEST(ReadJson, AKeyGivenTwiceIsRefusedAtItsSecondPlace) {
  EXPECT_EQ(syntax("{\n \"a\": 1,\n  \"a\": 2}"), "f.json:3:3: key \"a\" is given twice in one object");
  EXPECT_EQ(syntax(R"({"x":{"a\"b": 1, "a\"b": 2}})"), "f.json:1:18: key \"a\"b\" is given twice in one object");
  EXPECT_NO_THROW(read_json(R"([{"a": 1}, {"a": {"a": 2}}])", "f"));
}

TEST(ReadJson, NestingIsLimited) {
  const auto nested = [](int depth) { return std::string(depth, '[') + std::string(depth, ']'); };
  EXPECT_NO_THROW(read_json(nested(64), "f"));
  EXPECT_EQ(syntax(nested(65)), "f.json:1:65: nested deeper than 64 levels");
  EXPECT_THAT(syntax(std::string(1'000'000, '[')), HasSubstr("nested deeper"));
  std::string objects;
  for (int i = 0; i < 100; ++i) objects += "{\"a\":";
  EXPECT_THAT(syntax(objects), HasSubstr("nested deeper"));
}

TEST(ReadJson, KeysOfOneObjectAreLimited) {
  std::string text = "{";
  for (int i = 0; i < 5000; ++i) text += (i ? ",\"" : "\"") + std::to_string(i) + "\":0";
  EXPECT_THAT(syntax(text + "}"), HasSubstr("more than 4096 keys in one object"));
}

const ordered_json& schema() {
  static const ordered_json rules = read_json(R"({
    "type": "object", "required": ["name"], "additionalProperties": false, "minProperties": 1,
    "properties": {
      "name": {"type": "string", "minLength": 1},
      "count": {"type": "integer", "minimum": 1, "maximum": 9},
      "part": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
      "version": {"const": "v1"},
      "mode": {"anyOf": [{"type": "string", "enum": ["fast", "slow"]},
                         {"type": "array", "minItems": 1, "items": {"enum": ["fast", "slow"]}}]},
      "list": {"type": "array", "minItems": 2, "maxItems": 3, "uniqueItems": true, "items": {"$ref": "#/definitions/item"}},
      "odd/key~": {"type": "boolean"},
      "mixed": {"type": ["integer", "string"]},
      "nothing": {"type": "null"}
    },
    "definitions": {"item": {"type": "object", "additionalProperties": {"type": "integer"}}}})",
                                              "schema");
  return rules;
}

/// The words for a document that the library refuses too; "" where both accept.
std::string breach(const char* text) {
  const ordered_json value = read_json(text, "f");
  const auto found = find_breach(schema(), value);
  EXPECT_EQ(found.has_value(), !schema_error(schema(), value).empty()) << text;
  return found ? found->pointer + " " + found->message : "";
}

TEST(FindBreach, AcceptsWhatTheLibraryAccepts) {
  EXPECT_EQ(breach(R"({"name": "x"})"), "");
  EXPECT_EQ(breach(R"({"name": "x", "count": 9, "part": 0.5, "version": "v1", "mode": ["slow"], "list": [{}, {"a": 1}],
                       "odd/key~": true, "mixed": "s", "nothing": null})"),
            "");
}

TEST(FindBreach, SaysWhatIsThereAndWhatWouldBeRight) {
  EXPECT_EQ(breach("[]"), " is an empty array, expected an object");
  EXPECT_EQ(breach("{}"), " lacks the key \"name\"");
  EXPECT_EQ(breach(R"({"name": 3})"), "/name is 3, expected a string");
  EXPECT_EQ(breach(R"({"name": ""})"), "/name is \"\", expected text");
  EXPECT_EQ(breach(R"({"name": "x", "cuont": 3})"),
            "/cuont unknown key, expected one of name, count, part, version, mode, list, odd/key~, mixed, nothing; did "
            "you mean 'count'?");
  EXPECT_EQ(breach(R"({"name": "x", "count": 0})"), "/count is 0, expected at least 1");
  EXPECT_EQ(breach(R"({"name": "x", "count": 10})"), "/count is 10, expected at most 9");
  EXPECT_EQ(breach(R"({"name": "x", "count": "3"})"), "/count is \"3\", expected an integer");
  EXPECT_EQ(breach(R"({"name": "x", "part": 0})"), "/part is 0, expected more than 0");
  EXPECT_EQ(breach(R"({"name": "x", "part": 1})"), "/part is 1, expected less than 1");
  EXPECT_EQ(breach(R"({"name": "x", "version": "v2"})"), "/version is \"v2\", expected \"v1\"");
  EXPECT_EQ(breach(R"({"name": "x", "mode": "fst"})"),
            "/mode is \"fst\", expected one of fast, slow; did you mean 'fast'?");
  EXPECT_EQ(breach(R"({"name": "x", "mode": []})"), "/mode is an empty array, expected at least 1 element");
  EXPECT_EQ(breach(R"({"name": "x", "mode": ["fast", "quick"]})"), "/mode/1 is \"quick\", expected one of fast, slow");
  EXPECT_EQ(breach(R"({"name": "x", "list": [{}]})"), "/list is an array, expected at least 2 elements");
  EXPECT_EQ(breach(R"({"name": "x", "list": [1, 2, 3, 4]})"), "/list is an array, expected at most 3 elements");
  EXPECT_EQ(breach(R"({"name": "x", "list": [{}, {}]})"), "/list/1 repeats an object");
  EXPECT_EQ(breach(R"({"name": "x", "list": [{}, {"b": "c"}]})"), "/list/1/b is \"c\", expected an integer");
  EXPECT_EQ(breach(R"({"name": "x", "odd/key~": 1})"), "/odd~1key~0 is 1, expected true or false");
  EXPECT_EQ(breach(R"({"name": "x", "mixed": 1.5})"), "/mixed is 1.5, expected an integer or a string");
  EXPECT_EQ(breach(R"({"name": "x", "nothing": false})"), "/nothing is false, expected null");
}

TEST(ParseJson, PutsSourceAndPlaceBefore) {
  const auto parse = [](std::string_view text) {
    return refusal([&] { parse_json(text, "my.json", "model.schema.json"); });
  };
  EXPECT_THAT(parse("{"), StartsWith("my.json:1:2: "));
  EXPECT_EQ(parse("[]"), "my.json: the document: is an empty array, expected an object");
  EXPECT_THAT(parse(R"({"schema": "assay-model/2"})"),
              "my.json: /schema: is \"assay-model/2\", expected \"assay-model/1\"");
  EXPECT_THROW(parse_json("{}", "f", "absent.schema.json"), std::logic_error);
}

TEST(Embedded, FilesAreSortedAndFound) {
  const auto& files = embedded_files();
  ASSERT_GT(files.size(), 10u);
  for (std::size_t i = 1; i < files.size(); ++i) EXPECT_LT(files[i - 1].path, files[i].path);
  for (const auto& file : files) {
    EXPECT_EQ(embedded_file(file.path), file.text);
    EXPECT_NO_THROW(read_json(file.text, std::string(file.path)));
  }
  EXPECT_EQ(embedded_file("suites"), std::nullopt);
  EXPECT_EQ(embedded_file("zzz"), std::nullopt);
  EXPECT_EQ(embedded_file(""), std::nullopt);
}

}  // namespace
}  // namespace assay
