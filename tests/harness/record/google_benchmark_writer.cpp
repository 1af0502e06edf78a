// Writes two results in Google Benchmark's form, the second 2 % slower: what compare.py is given to read.
#include "harness/core/file.h"
#include "tests/harness/record/sample_records.h"

int main(int count, char** words) {
  if (count != 3) return 2;
  assay::write_file_atomically(
      words[1], to_google_benchmark(assay::sample_result({assay::ok_record(), assay::wrong_record(65)})));
  assay::write_file_atomically(
      words[2], to_google_benchmark(assay::sample_result({assay::ok_record(64, "cpu_blocked", 1.02e-3)})));
  return 0;
}
