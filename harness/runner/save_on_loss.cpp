#include "harness/runner/save_on_loss.h"

#include <fmt/format.h>

#include <utility>

#include "harness/record/journal.h"

namespace assay {

SaveOnLoss::SaveOnLoss(Communicator& communicator, std::filesystem::path out,
                       std::function<void(const std::string& why)> before)
    : communicator_(communicator) {
  if (!communicator.is_root()) return;
  communicator_.set_save([out = std::move(out), before = std::move(before)](const std::string& why) {
    if (before) before(why);
    return save_what_is_finished(out, why);
  });
}

SaveOnLoss::~SaveOnLoss() {
  if (communicator_.is_root()) communicator_.set_save({});
}

std::string save_what_is_finished(const std::filesystem::path& out, const std::string& why) {
  std::error_code failed;
  if (!std::filesystem::exists(journal_path(out), failed))  // it goes when all is saved
    return fmt::format("assay: {} was complete before that\n", out.string());
  JournalContents contents = read_journal(journal_path(out));
  if (!contents.started) return "assay: nothing was measured before that\n";
  Result& result = contents.so_far;
  result.complete = result.records.size() == contents.plan.size();
  result.provenance["run"]["ended_early"] = why;
  save_result(result, out);
  return fmt::format(
      "assay: {} of {} cases were finished before that: {}; go on with the same arguments, --out {} "
      "--resume\n",
      result.records.size(), contents.plan.size(), out.string(), out.string());
}

}  // namespace assay
