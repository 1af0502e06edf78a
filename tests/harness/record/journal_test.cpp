#include "harness/record/journal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

#include "harness/core/error.h"
#include "harness/core/file.h"
#include "tests/harness/record/sample_records.h"

namespace assay {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
namespace fs = std::filesystem;

class JournalTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("journal_test_" + std::to_string(::getpid()));
    fs::create_directories(folder_);
    path_ = folder_ / "r.json.journal";
  }
  void TearDown() override { fs::remove_all(folder_); }

  Journal create() { return Journal::create(path_, sample_result({}), {a_.point.id(), b_.point.id()}); }
  void write(const std::string& text) { std::ofstream(path_, std::ios::binary) << text; }
  std::string refusal() {
    try {
      read_journal(path_);
    } catch (const InputError& error) {
      return error.what();
    }
    return "accepted";
  }

  fs::path folder_, path_;
  Record a_ = ok_record(64), b_ = wrong_record(65);
};

TEST_F(JournalTest, HoldsWhatWasFinished) {
  {
    Journal journal = create();
    journal.begin({a_.point.id()});
    journal.finish(a_);
    journal.begin({b_.point.id()});
  }
  const JournalContents contents = read_journal(path_);
  EXPECT_TRUE(contents.started);
  EXPECT_FALSE(contents.so_far.complete);
  EXPECT_THAT(contents.plan, ElementsAre(a_.point.id(), b_.point.id()));
  ASSERT_EQ(contents.so_far.records.size(), 1u);
  EXPECT_EQ(to_json(contents.so_far.records[0]), to_json(a_));
  EXPECT_THAT(contents.interrupted, ElementsAre(CutOff{b_.point.id(), true}));
  EXPECT_EQ(contents.so_far.suite, "quick");
  EXPECT_EQ(contents.so_far.provenance, sample_provenance());
}

TEST_F(JournalTest, CountsEachTimeACaseWasCutOff) {
  { create().begin({a_.point.id()}); }
  { Journal::resume(path_).begin({a_.point.id()}); }
  EXPECT_THAT(read_journal(path_).interrupted, testing::SizeIs(2));
  EXPECT_THAT(read_journal(path_).interrupted, testing::Each(CutOff{a_.point.id(), true}));
}

TEST_F(JournalTest, OfCasesBegunTogetherThoseNotFinishedWereCutOff) {
  {
    Journal journal = create();
    journal.begin({a_.point.id(), b_.point.id()});
    journal.finish(b_);
  }
  EXPECT_THAT(read_journal(path_).interrupted, ElementsAre(CutOff{a_.point.id(), false}));
  { Journal::resume(path_).begin({a_.point.id()}); }
  EXPECT_THAT(read_journal(path_).interrupted, ElementsAre(CutOff{a_.point.id(), false}, CutOff{a_.point.id(), true}));
}

TEST_F(JournalTest, IsReadableWhereverItIsTorn) {
  {
    Journal journal = create();
    journal.begin({a_.point.id()});
    journal.finish(a_);
    journal.begin({b_.point.id()});
    journal.finish(b_);
  }
  const std::string whole = read_file(path_);
  std::size_t records = 0;
  for (std::size_t length = 0; length <= whole.size(); ++length) {
    if (length % 11 != 0 && length + 3 < whole.size() && whole[length - 1] != '\n') continue;
    write(whole.substr(0, length));
    const JournalContents contents = read_journal(path_);
    EXPECT_EQ(contents.started, length > whole.find('\n'));
    EXPECT_GE(contents.so_far.records.size(), records);
    records = contents.so_far.records.size();
  }
  EXPECT_EQ(records, 2u);
}

TEST_F(JournalTest, ResumingCutsOffATornLine) {
  {
    Journal journal = create();
    journal.begin({a_.point.id()});
  }
  const std::string whole = read_file(path_);
  write(whole + R"({"record":{"id":"gem)");
  { Journal::resume(path_).finish(a_); }
  EXPECT_EQ(read_file(path_).substr(0, whole.size()), whole);
  EXPECT_EQ(read_journal(path_).so_far.records.size(), 1u);
}

TEST_F(JournalTest, RefusesDamageThatIsNoTornLine) {
  {
    Journal journal = create();
    journal.begin({a_.point.id()});
  }
  const std::string whole = read_file(path_);
  write(whole + "{\"record\":{\"id\n");
  EXPECT_THAT(refusal(), HasSubstr(path_.string() + ":3"));
  write(whole + "{\"something\":1}\n");
  EXPECT_THAT(refusal(), HasSubstr(":3"));
  write(whole + R"({"begin":["gemm/of/another/plan"]})" + "\n");
  EXPECT_THAT(refusal(), HasSubstr("not in the plan"));
  write(whole + R"({"begin":"gemm"})" + "\n");
  EXPECT_THAT(refusal(), HasSubstr("array of strings"));
  nlohmann::ordered_json record = to_json(a_);
  record["telemetry"] = "none";
  write(whole + nlohmann::ordered_json{{"record", record}}.dump() + "\n");
  EXPECT_THAT(refusal(), HasSubstr("/record/telemetry: expected an array"));
  write("{\"journal\":\"assay-journal/9\"}\n");
  EXPECT_THAT(refusal(), HasSubstr(":1"));
  write("not JSON\n");
  EXPECT_THAT(refusal(), HasSubstr(":1"));
}

TEST_F(JournalTest, RefusesACaseFinishedTwice) {
  {
    Journal journal = create();
    journal.finish(a_);
    journal.finish(a_);
  }
  EXPECT_THAT(refusal(), HasSubstr("finished before"));
}

TEST_F(JournalTest, IsNeverStartedOverAnother) {
  { create(); }
  try {
    create();
    FAIL();
  } catch (const InputError& error) {
    EXPECT_THAT(error.what(), HasSubstr("--resume"));
  }
}

TEST_F(JournalTest, IsHeldByOneProcessAtATime) {
  const Journal held = create();
  EXPECT_THROW(Journal::resume(path_), InputError);
}

TEST_F(JournalTest, RemovesItself) {
  Journal journal = create();
  journal.remove();
  EXPECT_FALSE(fs::exists(path_));
}

TEST_F(JournalTest, SaysWhereItCannotBeWritten) {
  path_ = folder_ / "no such folder" / "r.json.journal";
  EXPECT_THROW(create(), InputError);
}

}  // namespace
}  // namespace assay
