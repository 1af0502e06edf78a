#include "harness/train/step.h"

#include "harness/verify/digest.h"
#include "harness/verify/fill.h"
#include "kernels/layer/adamw.h"
#include "kernels/layer/rope.h"

namespace assay {
namespace {

template <class Visit>
void for_each_op(const StepProgram& program, const Visit& visit) {
  for (const auto* part : {&program.forward, &program.backward, &program.reduce, &program.update})
    for (const StepOp& op : *part) visit(op);
}

void launch_all(const std::vector<StepOp>& ops) {
  for (const StepOp& op : ops) op.launch();
}

std::vector<float> initial_parameters(const ParameterLayout& layout, std::uint64_t seed, int threads) {
  std::vector<float> values(std::size_t(layout.size), 0.0F);
  std::uint64_t number = 0;
  for (const ParameterTensor* tensor : layout.all()) {
    float* at = values.data() + tensor->offset;
#pragma omp parallel for num_threads(threads) schedule(static)
    for (std::int64_t i = 0; i < tensor->count(); ++i)
      at[i] = tensor->deviation > 0 ? float(tensor->deviation) * fill_value(Fill::normal, seed, number, i) : 1.0F;
    ++number;
  }
  return values;
}

}  // namespace

TrainStep::TrainStep(const TrainSetup& setup, const StepKernels& kernels, Backend& backend, Communicator& communicator,
                     const ProgramMaker& make)
    : setup_(setup),
      backend_(backend),
      communicator_(communicator),
      layout_(setup.model),
      corpus_(setup.seed),
      memory_(setup, communicator.size(), backend),
      t_(memory_.tensors()),
      exchange_(backend, t_, setup.tokens() / communicator.size()),
      program_(make(setup_, kernels, t_, backend, communicator)) {
  reset();
}

Buffer TrainStep::view(const void* data, std::int64_t bytes) const {
  return Buffer(nullptr, 0, const_cast<void*>(data), std::size_t(bytes));
}

/// Of what the host does with whole arrays of parameters, which have billions of elements.
int TrainStep::host_threads() const {
  const Target target = backend_.target();
  return target.device == Device::cpu ? target.threads : available_threads();
}

void TrainStep::reset() {
  exchange_.reset();
  memory_.poison();
  step_ = 0;
  losses_.clear();
  const auto put = [&](void* to, const auto& values) {
    const auto bytes = values.size() * sizeof(values[0]);
    backend_.copy_in(view(to, std::int64_t(bytes)), values.data(), bytes);
  };
  for (float* moment : {t_.moment1, t_.moment2}) backend_.fill(view(moment, 4 * layout_.size), 0);
  put_parameters(initial_parameters(layout_, setup_.seed, host_threads()));
  RopeProblem rope;
  rope.head_dim = setup_.model.head_dim, rope.positions = setup_.sequence;
  std::vector<float> cos(std::size_t(rope.table_elements())), sin = cos;
  fill_rope_tables(rope, kRopeBase, cos.data(), sin.data());
  put(t_.rope_cos, cos);
  put(t_.rope_sin, sin);
  put(t_.loss_scale, std::vector<float>{float(1 / double(setup_.tokens()))});
  put(t_.norm_pointers, std::vector<const void*>{t_.gradients});
  put(t_.norm_elements, std::vector<std::int64_t>{layout_.size});
  read_batch();
}

void TrainStep::set_parameters(const std::vector<double>& values) { put_parameters({values.begin(), values.end()}); }

void TrainStep::put_parameters(const std::vector<float>& master) {
  backend_.copy_in(view(t_.master, 4 * layout_.size), master.data(), master.size() * 4);
  if (t_.parameters == t_.master) return;
  std::vector<std::byte> rounded(std::size_t(storage_bytes(setup_.dtype, layout_.size)));
#pragma omp parallel for num_threads(host_threads()) schedule(static)
  for (std::int64_t i = 0; i < layout_.size; ++i)
    store_element(setup_.dtype, rounded.data(), i, double(master[std::size_t(i)]));
  backend_.copy_in(view(t_.parameters, std::int64_t(rounded.size())), rounded.data(), rounded.size());
}

TrainBatch TrainStep::next_batch() const {
  TrainBatch out{setup_.batch, setup_.sequence, {}, {}};
  for (std::int64_t b = 0; b < setup_.batch; ++b) {
    const Corpus::Sample sample = corpus_.sample(step_, setup_.batch, b, setup_.sequence);
    out.tokens.insert(out.tokens.end(), sample.tokens.begin(), sample.tokens.end());
    out.targets.insert(out.targets.end(), sample.targets.begin(), sample.targets.end());
  }
  return out;
}

/// This rank's sequences of the step's batch: its part of them, in their order.
void TrainStep::read_batch() {
  const TrainBatch whole = next_batch();
  const std::int64_t mine = setup_.tokens() / communicator_.size(), first = mine * communicator_.rank();
  exchange_.send_batch(whole.tokens.data() + first, whole.targets.data() + first);
}

void TrainStep::set_optimizer_step() {
  const OptimizerSettings& o = setup_.optimizer;
  AdamWProblem problem;
  problem.beta1 = o.beta1, problem.beta2 = o.beta2, problem.epsilon = o.epsilon;
  const auto step = [&](double decay) { return adamw_step(problem, step_ + 1, o.learning_rate, decay); };
  exchange_.send_steps(step(o.weight_decay), step(0));
}

double TrainStep::local_loss() const {
  std::vector<float> of(std::size_t(setup_.tokens() / communicator_.size()));
  backend_.copy_out(of.data(), view(t_.loss, std::int64_t(of.size() * 4)), of.size() * 4);
  double sum = 0;
  for (const float one : of) sum += double(one);
  return sum / double(of.size());
}

void TrainStep::run_gradients() {
  communicator_.goes_on();
  for (const auto* part : {&program_.forward, &program_.backward, &program_.reduce}) launch_all(*part);
  backend_.synchronize();
}

void TrainStep::run_gradients_of(const std::vector<std::int64_t>& tokens) {
  communicator_.goes_on();
  launch_all(program_.forward);
  backend_.synchronize();
  const std::int64_t mine = setup_.tokens() / communicator_.size(), first = mine * communicator_.rank();
  std::int64_t next = 0;  // of this rank's tokens, the first that is not settled
  for (const std::int64_t token : tokens) {
    if (token < first || token >= first + mine) continue;
    clear_logits_between(next, token - first);
    next = token - first + 1;
  }
  clear_logits_between(next, mine);
  for (const auto* part : {&program_.backward, &program_.reduce}) launch_all(*part);
  backend_.synchronize();
}

/// The gradients of the logits of this rank's tokens [begin, end), where the forward pass left them.
void TrainStep::clear_logits_between(std::int64_t begin, std::int64_t end) {
  const std::int64_t width = setup_.model.vocabulary;
  const std::byte* at = static_cast<const std::byte*>(t_.logits) + storage_bytes(setup_.dtype, begin * width);
  if (begin < end) backend_.fill(view(at, std::int64_t(storage_bytes(setup_.dtype, (end - begin) * width))), 0);
}

double TrainStep::forward_loss() {
  communicator_.goes_on();
  launch_all(program_.forward);
  backend_.synchronize();
  return local_loss();
}

void TrainStep::run() {
  run_ops([](const StepOp&) { return true; });
}

void TrainStep::run_unreduced() {
  run_ops([](const StepOp& op) { return op.kind != KernelClass::communication; });
}

void TrainStep::run_ops(bool (*chosen)(const StepOp&)) {
  communicator_.goes_on();
  set_optimizer_step();
  for_each_op(program_, [&](const StepOp& op) {
    if (chosen(op)) op.launch();
  });
  exchange_.ask_for_loss();
  ++step_;
  read_batch();
}

const std::vector<double>& TrainStep::losses() {
  for (const double one : exchange_.losses()) losses_.push_back(one);
  return losses_;
}

std::vector<TrainStep::TimedOp> TrainStep::run_timed() {
  std::vector<TimedOp> out;
  communicator_.goes_on();
  set_optimizer_step();
  for_each_op(program_, [&](const StepOp& op) { out.push_back({&op, backend_.time(op.launch)}); });
  ++step_;
  read_batch();
  return out;
}

std::vector<const StepOp*> TrainStep::ops() const {
  std::vector<const StepOp*> out;
  for_each_op(program_, [&](const StepOp& op) { out.push_back(&op); });
  return out;
}

std::vector<double> TrainStep::parameters() const {
  std::vector<std::byte> raw(std::size_t(storage_bytes(setup_.dtype, layout_.size)));
  backend_.copy_out(raw.data(), view(t_.parameters, std::int64_t(raw.size())), raw.size());
  std::vector<double> out(std::size_t(layout_.size));
#pragma omp parallel for num_threads(host_threads()) schedule(static)
  for (std::int64_t i = 0; i < layout_.size; ++i) out[std::size_t(i)] = load_element(setup_.dtype, raw.data(), i);
  return out;
}

std::vector<float> TrainStep::gradients() const {
  std::vector<float> out(std::size_t(layout_.size));
  backend_.copy_out(out.data(), view(t_.gradients, 4 * layout_.size), out.size() * 4);
  return out;
}

GradNorm TrainStep::gradient_norm() const {
  GradNorm out;
  backend_.copy_out(&out, view(t_.norm_result, std::int64_t(sizeof out)), sizeof out);
  return out;
}

TrainStep::OptimizerState TrainStep::optimizer_state() const {
  const auto host = [&](const float* array) {
    std::vector<float> out(std::size_t(layout_.size));
    backend_.copy_out(out.data(), view(array, 4 * layout_.size), out.size() * 4);
    return out;
  };
  return {host(t_.master), host(t_.moment1), host(t_.moment2)};
}

std::string TrainStep::gradient_digest() const {
  const std::vector<float> all = gradients();
  Digest digest;
  digest.add(all.data(), all.size() * 4);
  return digest.text();
}

std::string TrainStep::state_digest() const {
  Digest digest;
  std::vector<float> host(std::size_t(layout_.size));
  for (const float* array : {t_.master, t_.moment1, t_.moment2}) {
    backend_.copy_out(host.data(), view(array, 4 * layout_.size), host.size() * 4);
    digest.add(host.data(), host.size() * 4);
  }
  return digest.text();
}

}  // namespace assay
