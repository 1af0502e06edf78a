// Any text is a journal or an InputError in one line that names the file.
#include "harness/core/error.h"
#include "harness/record/journal.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/fuzz/memory_file.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace assay;
  const MemoryFile file(as_text(data, size));
  try {
    const JournalContents read = read_journal(file.path());
    require(read.started || read.so_far.records.empty(), "a journal without a beginning has no records");
    require(read.so_far.records.size() <= read.plan.size(), "nothing is finished that was not planned");
    to_text(read.so_far);
  } catch (const InputError& error) {
    require_message(error.what(), file.path().string());
  }
  return 0;
}
