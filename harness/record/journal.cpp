#include "harness/record/journal.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <set>

#include "harness/core/error.h"
#include "harness/core/file.h"
#include "harness/record/json_fields.h"

namespace assay {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kJournalFormat = "assay-journal/2";

std::string reason(int error) { return std::strerror(error); }

/// The lines that were written whole, and where they end.
struct WholeLines {
  std::vector<std::string> lines;
  std::size_t bytes = 0;
};

WholeLines whole_lines(const std::string& text) {
  WholeLines out;
  for (std::size_t end; (end = text.find('\n', out.bytes)) != std::string::npos; out.bytes = end + 1)
    out.lines.push_back(text.substr(out.bytes, end - out.bytes));
  return out;
}

Json parse_line(const std::string& line, const std::string& place) {
  Json json = Json::parse(line, nullptr, false);
  if (json.is_discarded())
    throw InputError(place + ": is not JSON; the journal is damaged: remove it and run without --resume");
  return json;
}

std::vector<std::string> strings(const JsonFields& in, const char* key) {
  const auto& array = in.at(key);
  if (!array.is_array()) in.fail(key, "expected an array of strings");
  std::vector<std::string> out;
  for (const auto& element : array) {
    if (!element.is_string()) in.fail(key, "expected an array of strings");
    out.push_back(element.get<std::string>());
  }
  return out;
}

void read_header(const Json& json, const std::string& place, JournalContents& out) {
  const JsonFields in(json, place, "");
  if (in.text("journal") != kJournalFormat) in.fail("journal", std::string("expected \"") + kJournalFormat + "\"");
  out.so_far.suite = in.text("suite");
  out.so_far.sampling = sampling_from_json(in.at("sampling"), place, "/sampling");
  out.so_far.provenance = in.at("provenance");
  out.plan = strings(in, "plan");
  out.started = true;
}

/// Follows the lines in order: what was begun and not finished, what was finished.
class JournalReader {
 public:
  explicit JournalReader(JournalContents& out) : out_(out) {}

  void line(const Json& json, const std::string& place) {
    const JsonFields in(json, place, "");
    if (json.contains("begin"))
      begin(in);
    else
      finish(record_from_json(in.at("record"), place, "/record"), in);
  }
  void end() {
    for (const auto& id : begun_) out_.interrupted.push_back({id, begun_alone_});
  }

 private:
  void begin(const JsonFields& in) {
    end();  // a second begin: the first was cut off, and the run resumed
    begun_ = strings(in, "begin");
    begun_alone_ = begun_.size() == 1;
    for (const auto& id : begun_) expect_planned(id, in, "begin");
  }
  void finish(Record record, const JsonFields& in) {
    const std::string id = record.point.id();
    expect_planned(id, in, "record");
    if (!finished_.insert(id).second) in.fail("record", id + " was finished before");
    if (!begun_.empty() && std::erase(begun_, id) == 0)
      in.fail("record", id + " was finished while " + begun_.front() + " was running");
    out_.so_far.records.push_back(std::move(record));
  }
  void expect_planned(const std::string& id, const JsonFields& in, const char* key) {
    if (planned_.empty()) planned_.insert(out_.plan.begin(), out_.plan.end());
    if (!planned_.contains(id)) in.fail(key, id + " is not in the plan of this journal");
    if (key == std::string_view("begin") && finished_.contains(id)) in.fail(key, id + " was finished before");
  }

  JournalContents& out_;
  std::vector<std::string> begun_;  // and not finished
  bool begun_alone_ = true;
  std::set<std::string> planned_, finished_;
};

/// A file's name is on disk once its folder is.
void sync_folder(const std::filesystem::path& file) {
  const auto folder = file.has_parent_path() ? file.parent_path() : std::filesystem::path(".");
  const int descriptor = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return;  // not every file system lets a folder be opened; the file itself is synced
  ::fsync(descriptor);
  ::close(descriptor);
}

void lock(int descriptor, const std::filesystem::path& path) {
  if (::flock(descriptor, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK) return;
  ::close(descriptor);
  throw InputError(path.string() + ": another assay is writing this journal; wait for it or choose another --out");
}

}  // namespace

std::filesystem::path journal_path(const std::filesystem::path& result) { return result.string() + ".journal"; }

JournalContents read_journal(const std::filesystem::path& path) {
  const WholeLines whole = whole_lines(read_file(path));
  JournalContents out;
  JournalReader reader(out);
  for (std::size_t i = 0; i < whole.lines.size(); ++i) {
    const std::string place = path.string() + ":" + std::to_string(i + 1);
    const Json json = parse_line(whole.lines[i], place);
    if (i == 0)
      read_header(json, place, out);
    else
      reader.line(json, place);
  }
  reader.end();
  out.so_far.complete = out.started && out.so_far.records.size() == out.plan.size();
  return out;
}

Journal::Journal(std::filesystem::path path, int descriptor) : path_(std::move(path)), descriptor_(descriptor) {}

Journal::Journal(Journal&& other) noexcept : path_(std::move(other.path_)), descriptor_(other.descriptor_) {
  other.descriptor_ = -1;
}

Journal& Journal::operator=(Journal&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(descriptor_, other.descriptor_);
  return *this;
}

Journal::~Journal() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

Journal Journal::create(const std::filesystem::path& path, const Result& header, const std::vector<std::string>& plan) {
  const int descriptor = ::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (descriptor < 0 && errno == EEXIST)
    throw InputError(
        path.string() +
        ": the journal of a run that goes on, or did not finish; wait for it, continue it with --resume, or "
        "choose another --out");
  if (descriptor < 0) throw InputError(path.string() + ": cannot be created: " + reason(errno));
  lock(descriptor, path);
  Journal journal(path, descriptor);
  journal.append(Json{
      {"journal", kJournalFormat},
      {"suite", header.suite},
      {"sampling", to_json(header.sampling)},
      {"provenance", header.provenance},
      {"plan", plan}}.dump(-1, ' ', false, Json::error_handler_t::replace));
  sync_folder(path);
  return journal;
}

Journal Journal::resume(const std::filesystem::path& path) {
  const int descriptor = ::open(path.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC);
  if (descriptor < 0) throw InputError(path.string() + ": cannot be continued: " + reason(errno));
  lock(descriptor, path);
  Journal journal(path, descriptor);
  const std::size_t whole = whole_lines(read_file(path)).bytes;
  if (::ftruncate(descriptor, off_t(whole)) != 0 || ::fsync(descriptor) != 0)
    throw MeasureError(path.string() + ": cannot be continued: " + reason(errno));
  return journal;
}

void Journal::begin(const std::vector<std::string>& case_ids) { append(Json{{"begin", case_ids}}.dump()); }

void Journal::finish(const Record& record) {
  append(Json{{"record", to_json(record)}}.dump(-1, ' ', false, Json::error_handler_t::replace));
}

void Journal::remove() {
  std::filesystem::remove(path_);
  sync_folder(path_);
}

void Journal::append(const std::string& line) {
  const std::string text = line + '\n';
  for (std::size_t written = 0; written < text.size();) {
    const ssize_t n = ::write(descriptor_, text.data() + written, text.size() - written);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) throw MeasureError(path_.string() + ": cannot be written: " + reason(errno));
    written += std::size_t(n);
  }
  if (::fsync(descriptor_) != 0) throw MeasureError(path_.string() + ": cannot be written: " + reason(errno));
}

}  // namespace assay
