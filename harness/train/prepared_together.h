// One prepared operation for all launches of a kernel on one shape.
#pragma once
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "kernels/common/kernel.h"

namespace assay {

/// Prepared when all the buffers that it will meet are known: kernels encode tensor maps for each set of them, and
/// libraries choose by the least aligned one.
template <class Buffers>
class PreparedTogether final : public Operation<Buffers> {
 public:
  using Prepare = std::function<std::unique_ptr<Operation<Buffers>>(const std::vector<Buffers>&)>;
  explicit PreparedTogether(Prepare prepare) : prepare_(std::move(prepare)) {}

  void add(const Buffers& buffers) { sets_.push_back(buffers); }
  void prepare() { operation_ = prepare_(sets_); }

  void launch(const Buffers& buffers, Stream stream) override {
    if (!operation_) throw std::logic_error("a kernel of the step was launched before it was prepared");
    operation_->launch(buffers, stream);
  }
  std::string description() const override { return operation_ ? operation_->description() : std::string(); }

 private:
  Prepare prepare_;
  std::vector<Buffers> sets_;
  std::unique_ptr<Operation<Buffers>> operation_;
};

}  // namespace assay
