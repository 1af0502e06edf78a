// Progress on stderr: a line that updates on a terminal, a line every ten seconds elsewhere, with an ETA.
#pragma once
#include <cstddef>
#include <cstdio>
#include <string>

#include "harness/record/record.h"

namespace assay {

class Progress {
 public:
  Progress(std::FILE* stream, bool quiet);
  /// `budget_seconds` is what sampling one case may take: the first ETA, before any case has finished.
  void start(std::size_t cases, double budget_seconds);
  void begin(const std::string& case_id);
  void finish(const Record&);
  /// Of one thing that takes a known time.
  void at(double seconds, double of_seconds, const std::string& what);
  void done();

 private:
  double remaining_seconds() const;
  void print(bool force);
  bool is_due(bool force) const;
  void print_line(const std::string& head);
  std::FILE* stream_;
  bool quiet_, terminal_;
  std::size_t cases_ = 0, finished_ = 0;
  double budget_seconds_ = 0, started_ = 0, printed_ = -1e9;
  std::string current_;
};

}  // namespace assay
