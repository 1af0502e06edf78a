// The launches of a step, one after the other: each function appends one kernel, or a few that belong together, ready
// for the tensors it is given.
#pragma once
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "harness/train/beside.h"
#include "harness/train/clear.h"
#include "harness/train/gradient_buckets.h"
#include "harness/train/prepared_together.h"
#include "harness/train/program.h"
#include "harness/train/rank_meeting.h"
#include "kernels/layer/adamw.h"
#include "kernels/layer/columns.h"
#include "kernels/layer/cross_entropy.h"
#include "kernels/layer/embedding.h"
#include "kernels/layer/grad_norm.h"
#include "kernels/layer/rms_norm.h"
#include "kernels/layer/rope.h"
#include "kernels/layer/swiglu.h"

namespace assay {

class StepLaunches {
 public:
  StepLaunches(const TrainSetup& setup, const StepKernels& kernels, const StepTensors& tensors, Backend& backend,
               Communicator& communicator)
      : s_(setup),
        m_(setup.model),
        kernels_(kernels),
        t_(tensors),
        backend_(backend),
        target_(backend.target()),
        stream_(backend.stream()),
        communicator_(communicator),
        meeting_(make_rank_meeting(communicator)),
        layout_(setup.model),
        tokens_(setup.tokens() / communicator.size()) {
    if (setup.bucket_bytes == 0 || communicator.size() == 1) return;
    buckets_.emplace(layout_, setup.bucket_bytes);
    beside_ = std::make_shared<BesideStep>(backend);
  }

 protected:
  /// What was appended since the last call.
  std::vector<StepOp> take() { return std::exchange(ops_, {}); }

  void clear_gradients();
  void embed(LayerPass);
  // y[tokens, n] = x[tokens, k] w[n, k]^T
  void linear(const std::string& what, const ParameterTensor& w, const void* x, void* y);
  // dx[tokens, k] = dy[tokens, n] w[n, k];  dw[n, k] += dy[tokens, n]^T x[tokens, k]
  void linear_backward(const std::string& what, const ParameterTensor& w, const void* x, const void* dy, void* dx);
  /// Of x; with a `branch`, of x + branch, which `sum` keeps.
  void norm(const ParameterTensor& gain, const void* x, const void* branch, void* sum, void* y, float* rstd);
  /// dx = norm'(dy), and what came by the skip connection where there is any.
  void norm_backward(const ParameterTensor& gain, const void* x, float* rstd, const void* dy, const void* skipped,
                     void* dx);
  void rope(const char* tensor, std::int64_t heads, LayerPass, void* x);
  void swiglu(LayerPass, const LayerActivations&);
  void attention(AttentionPass, const LayerActivations&);
  void split_qkv(const LayerActivations&);
  void merge_qkv();
  void cross_entropy();
  /// In buckets: waits for them.  Else one all-reduce of all gradients: nothing hides it.
  void reduce();
  void update();
  /// Once, when all launches are appended: makes products and attention ready for all their buffers.
  void prepare_all();

  const TrainSetup& s_;
  const TrainModel& m_;
  const StepKernels& kernels_;
  const StepTensors& t_;
  Backend& backend_;
  const Target target_;
  const Stream stream_;
  Communicator& communicator_;
  const std::shared_ptr<RankMeeting> meeting_;  // of all sums over ranks: they have one connection
  const ParameterLayout layout_;
  const std::int64_t tokens_;  // of this rank
  std::string description_;    // of the largest product

 private:
  template <class Buffers>
  using Prepared = std::map<std::string, std::shared_ptr<Operation<Buffers>>>;
  template <class Buffers>
  using Together = std::map<std::string, std::shared_ptr<PreparedTogether<Buffers>>>;

  /// One prepared operation for all launches of the same `what`.
  template <class Row, class Problem, class Buffers>
  void add_own(KernelClass kind, const std::string& what, const std::vector<Row>& rows, const Problem& problem,
               DType dtype, const Buffers& buffers) {
    auto& known = std::get<Prepared<Buffers>>(prepared_)[what];
    if (!known)
      known = own_kernel(rows, problem, dtype, target_, what.c_str()).prepare(problem, target_, {buffers}, stream_);
    add(kind, what, known, buffers);
  }
  template <class Buffers>
  void add(KernelClass kind, const std::string& what, const std::shared_ptr<Operation<Buffers>>& operation,
           const Buffers& buffers) {
    ops_.push_back({kind, what, [operation, buffers, stream = stream_] { operation->launch(buffers, stream); }});
  }
  /// The same of kernels that want to see all buffers first.
  template <class Row, class Problem, class Buffers>
  void add_together(KernelClass kind, const std::string& what, const Row& row, const Problem& problem,
                    const Buffers& buffers) {
    auto& known = std::get<Together<Buffers>>(together_)[what];
    if (!known)
      known = std::make_shared<PreparedTogether<Buffers>>(
          [&row, problem, target = target_, stream = stream_](const std::vector<Buffers>& sets) {
            return row.prepare(problem, target, sets, stream);
          });
    known->add(buffers);
    add<Buffers>(kind, what, known, buffers);
  }
  void gemm(const std::string& what, GemmLayout, std::int64_t m, std::int64_t n, std::int64_t k, const void* a,
            const void* b, void* d);
  /// A tensor's gradient is what it will be: the buckets that are complete with it are reduced beside what follows.
  void written(const ParameterTensor&);
  std::shared_ptr<CollectiveOperation> all_reduce(std::int64_t count, const CollectiveBuffers&);
  CollectiveBuffers gradients_in_place(const GradientRange&, Stream) const;
  void adamw(const char* what, std::int64_t begin, std::int64_t end, const void* step);
  void qkv_columns(ColumnsPass, void* q, void* k, void* v);

  const void* weights(const ParameterTensor& p) const {
    return static_cast<const std::byte*>(t_.parameters) + storage_bytes(s_.dtype, p.offset);
  }
  float* gradient(const ParameterTensor& p) const { return t_.gradients + p.offset; }
  /// The second of two halves of rows that are `width` each.
  void* half(void* rows, std::int64_t width) const {
    return static_cast<std::byte*>(rows) + storage_bytes(s_.dtype, width);
  }

  std::vector<StepOp> ops_;
  double largest_work_ = 0;
  std::string largest_;  // the product with the most work
  std::tuple<Together<GemmBuffers>, Together<AttentionBuffers>> together_;
  std::tuple<Prepared<RmsNormBuffers>, Prepared<RopeBuffers>, Prepared<SwigluBuffers>, Prepared<ColumnsBuffers>,
             Prepared<EmbeddingBuffers>, Prepared<CrossEntropyBuffers>, Prepared<GradNormBuffers>,
             Prepared<AdamWBuffers>, Prepared<CollectiveBuffers>>
      prepared_;
  std::optional<GradientBuckets> buckets_;  // none: all gradients are reduced after backward
  std::shared_ptr<BesideStep> beside_;
};

}  // namespace assay
