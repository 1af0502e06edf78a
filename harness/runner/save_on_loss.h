// A result of what is finished, though the run ends in the middle.
#pragma once
#include <filesystem>
#include <functional>
#include <string>

#include "harness/communicators/communicator.h"

namespace assay {

/// While it lives, rank 0 answers the loss of a rank (or a GPU's launch that does not end) with a result.  It is made
/// from the journal: that holds every finished case, whatever the thread that measures is stuck in.  The journal stays,
/// for --resume.
class SaveOnLoss {
 public:
  /// `before`, if any, is called first, on the same thread as what saves (Communicator::set_save).
  SaveOnLoss(Communicator&, std::filesystem::path out, std::function<void(const std::string& why)> before = {});
  ~SaveOnLoss();
  SaveOnLoss(const SaveOnLoss&) = delete;
  SaveOnLoss& operator=(const SaveOnLoss&) = delete;

 private:
  Communicator& communicator_;
};

/// Saves it and says so, in lines; `why` goes into the result's provenance (run.ended_early).
std::string save_what_is_finished(const std::filesystem::path& out, const std::string& why);

}  // namespace assay
