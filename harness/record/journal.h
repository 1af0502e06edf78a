// The journal beside a result: one line per finished case, appended and fsynced, so that a kill loses nothing finished.
//
//   {"journal":"assay-journal/2","suite":...,"sampling":...,"provenance":...,"plan":[ids]}
//   {"begin":["<case id>", ...]}      cases that are measured in turns, or one
//   {"record":{...}}
// A torn last line (the kill hit while writing) is ignored; any other damage is an InputError.  One process at a time
// holds a journal (a lock that ends with the process).
#pragma once
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "harness/record/result.h"

namespace assay {

/// Where the journal of a result lives: RESULT + ".journal".
std::filesystem::path journal_path(const std::filesystem::path& result);

struct CutOff {
  std::string id;
  bool alone = true;  // not in turns with others, any of which may be what ended the run
  bool operator==(const CutOff&) const = default;
};

struct JournalContents {
  bool started = false;             // false where even the first line is torn: as if it were not there
  Result so_far;                    // finished records
  std::vector<std::string> plan;    // ids the run set out to do, in order
  std::vector<CutOff> interrupted;  // begun and not finished, one entry per time
};
JournalContents read_journal(const std::filesystem::path&);

/// Move-only.  Every call returns after the line is on disk.
class Journal {
 public:
  /// Starts a new journal; InputError where one is already there (resume it or remove it).  MeasureError, here and
  /// below, where the disk does not take it.
  static Journal create(const std::filesystem::path&, const Result& header, const std::vector<std::string>& plan);
  /// Continues one: truncates a torn last line.
  static Journal resume(const std::filesystem::path&);
  Journal(Journal&&) noexcept;
  Journal& operator=(Journal&&) noexcept;
  ~Journal();
  void begin(const std::vector<std::string>& case_ids);
  void finish(const Record&);
  /// After the result is saved.
  void remove();

 private:
  explicit Journal(std::filesystem::path, int descriptor);
  void append(const std::string& line);
  std::filesystem::path path_;
  int descriptor_ = -1;
};

}  // namespace assay
