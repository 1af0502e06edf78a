#include "kernels/attention/vendor/cudnn_graph.h"

#include <algorithm>

namespace assay {
namespace {

constexpr std::int64_t kAlignment = 16;    // bytes, of every tensor in memory: what vector loads need
constexpr std::int64_t kMostConfigs = 16;  // asked for; the heuristic has had fewer than ten for attention

}  // namespace

CudnnGraph::CudnnGraph(const CudnnLibrary& cudnn, const CudnnDevice& device)
    : cudnn_(cudnn), device_(device), graph_(cudnn, CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR, "the operation graph") {}

CudnnDescriptor& CudnnGraph::new_tensor(Tensor id, cudnnDataType_t type, const CudnnShape& shape) {
  CudnnDescriptor& tensor =
      tensors_.try_emplace(id, cudnn_, CUDNN_BACKEND_TENSOR_DESCRIPTOR, "tensor " + std::to_string(id)).first->second;
  shapes_[id] = shape;
  tensor.set(CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, id);
  tensor.set(CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, type);
  tensor.set(CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, 4, shape.size.data());
  tensor.set(CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, 4, shape.stride.data());
  tensor.set(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, CUDNN_TYPE_INT64, kAlignment);
  return tensor;
}

CudnnGraph::Tensor CudnnGraph::in_memory(Tensor id, cudnnDataType_t type, const CudnnShape& shape) {
  new_tensor(id, type, shape).finalize();
  in_memory_.push_back(id);
  return id;
}

CudnnGraph::Tensor CudnnGraph::inside(cudnnDataType_t type, const CudnnShape& shape) {
  CudnnDescriptor& tensor = new_tensor(next_id_, type, shape);
  tensor.set(CUDNN_ATTR_TENSOR_IS_VIRTUAL, CUDNN_TYPE_BOOLEAN, true);
  tensor.finalize();
  return next_id_++;
}

CudnnGraph::Tensor CudnnGraph::new_constant(const void* value, cudnnDataType_t type) {
  CudnnDescriptor& tensor = new_tensor(next_id_, type, {{1, 1, 1, 1}, {1, 1, 1, 1}});
  tensor.set(CUDNN_ATTR_TENSOR_IS_BY_VALUE, CUDNN_TYPE_BOOLEAN, true);
  tensor.finalize();
  constants_[next_id_] = value;
  return next_id_++;
}

CudnnGraph::Tensor CudnnGraph::constant(float value) {
  return new_constant(floats_.emplace_back(std::make_unique<float>(value)).get(), CUDNN_DATA_FLOAT);
}

CudnnGraph::Tensor CudnnGraph::constant(std::int32_t value) {
  return new_constant(integers_.emplace_back(std::make_unique<std::int32_t>(value)).get(), CUDNN_DATA_INT32);
}

CudnnDescriptor& CudnnGraph::new_operation(cudnnBackendDescriptorType_t type, const char* name) {
  return operations_.emplace_back(cudnn_, type, "operation " + std::to_string(operations_.size()) + " (" + name + ")");
}

void CudnnGraph::matmul(Tensor a, Tensor b, Tensor result) {
  CudnnDescriptor& mode = modes_.emplace_back(cudnn_, CUDNN_BACKEND_MATMUL_DESCRIPTOR, "a matmul");
  mode.set(CUDNN_ATTR_MATMUL_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, CUDNN_DATA_FLOAT);
  mode.finalize();
  CudnnDescriptor& operation = new_operation(CUDNN_BACKEND_OPERATION_MATMUL_DESCRIPTOR, "matmul");
  operation.set(CUDNN_ATTR_OPERATION_MATMUL_DESC, mode);
  operation.set(CUDNN_ATTR_OPERATION_MATMUL_ADESC, tensors_.at(a));
  operation.set(CUDNN_ATTR_OPERATION_MATMUL_BDESC, tensors_.at(b));
  operation.set(CUDNN_ATTR_OPERATION_MATMUL_CDESC, tensors_.at(result));
  operation.finalize();
  steps_.push_back({Step::Kind::matmul, 0, {a, b}, result});
}

CudnnDescriptor& CudnnGraph::new_pointwise(cudnnPointwiseMode_t kind, cudnnDataType_t math, std::int64_t axis) {
  CudnnDescriptor& mode = modes_.emplace_back(cudnn_, CUDNN_BACKEND_POINTWISE_DESCRIPTOR, "a pointwise mode");
  mode.set(CUDNN_ATTR_POINTWISE_MODE, CUDNN_TYPE_POINTWISE_MODE, kind);
  mode.set(CUDNN_ATTR_POINTWISE_MATH_PREC, CUDNN_TYPE_DATA_TYPE, math);
  if (axis >= 0) mode.set(CUDNN_ATTR_POINTWISE_AXIS, CUDNN_TYPE_INT64, axis);
  mode.finalize();
  CudnnDescriptor& operation = new_operation(CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR, "pointwise");
  operation.set(CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, mode);
  return operation;
}

void CudnnGraph::pointwise(cudnnPointwiseMode_t kind, cudnnDataType_t math, Tensor x, Tensor result) {
  CudnnDescriptor& operation = new_pointwise(kind, math);
  operation.set(CUDNN_ATTR_OPERATION_POINTWISE_XDESC, tensors_.at(x));
  operation.set(CUDNN_ATTR_OPERATION_POINTWISE_YDESC, tensors_.at(result));
  operation.finalize();
  steps_.push_back({Step::Kind::pointwise, kind, {x}, result});
}

void CudnnGraph::pointwise(cudnnPointwiseMode_t kind, cudnnDataType_t math, Tensor x, Tensor y, Tensor result) {
  CudnnDescriptor& operation = new_pointwise(kind, math);
  operation.set(CUDNN_ATTR_OPERATION_POINTWISE_XDESC, tensors_.at(x));
  operation.set(CUDNN_ATTR_OPERATION_POINTWISE_BDESC, tensors_.at(y));
  operation.set(CUDNN_ATTR_OPERATION_POINTWISE_YDESC, tensors_.at(result));
  operation.finalize();
  steps_.push_back({Step::Kind::pointwise, kind, {x, y}, result});
}

void CudnnGraph::index(std::int64_t axis, cudnnDataType_t math, Tensor like, Tensor result) {
  CudnnDescriptor& operation = new_pointwise(CUDNN_POINTWISE_GEN_INDEX, math, axis);
  operation.set(CUDNN_ATTR_OPERATION_POINTWISE_XDESC, tensors_.at(like));
  operation.set(CUDNN_ATTR_OPERATION_POINTWISE_YDESC, tensors_.at(result));
  operation.finalize();
  steps_.push_back({Step::Kind::index, static_cast<int>(axis), {like}, result});
}

void CudnnGraph::select(Tensor condition, Tensor then, Tensor otherwise, Tensor result) {
  CudnnDescriptor& operation = new_pointwise(CUDNN_POINTWISE_BINARY_SELECT, CUDNN_DATA_FLOAT);
  operation.set(CUDNN_ATTR_OPERATION_POINTWISE_XDESC, tensors_.at(then));
  operation.set(CUDNN_ATTR_OPERATION_POINTWISE_BDESC, tensors_.at(otherwise));
  operation.set(CUDNN_ATTR_OPERATION_POINTWISE_TDESC, tensors_.at(condition));
  operation.set(CUDNN_ATTR_OPERATION_POINTWISE_YDESC, tensors_.at(result));
  operation.finalize();
  steps_.push_back({Step::Kind::select, 0, {condition, then, otherwise}, result});
}

void CudnnGraph::reduce(cudnnReduceTensorOp_t kind, Tensor x, Tensor result) {
  CudnnDescriptor& mode = modes_.emplace_back(cudnn_, CUDNN_BACKEND_REDUCTION_DESCRIPTOR, "a reduction");
  mode.set(CUDNN_ATTR_REDUCTION_OPERATOR, CUDNN_TYPE_REDUCTION_OPERATOR_TYPE, kind);
  mode.set(CUDNN_ATTR_REDUCTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, CUDNN_DATA_FLOAT);
  mode.finalize();
  CudnnDescriptor& operation = new_operation(CUDNN_BACKEND_OPERATION_REDUCTION_DESCRIPTOR, "reduction");
  operation.set(CUDNN_ATTR_OPERATION_REDUCTION_DESC, mode);
  operation.set(CUDNN_ATTR_OPERATION_REDUCTION_XDESC, tensors_.at(x));
  operation.set(CUDNN_ATTR_OPERATION_REDUCTION_YDESC, tensors_.at(result));
  operation.finalize();
  steps_.push_back({Step::Kind::reduce, kind, {x}, result});
}

void CudnnGraph::reshape(Tensor x, Tensor result) {
  CudnnDescriptor& operation = new_operation(CUDNN_BACKEND_OPERATION_RESHAPE_DESCRIPTOR, "reshape");
  operation.set(CUDNN_ATTR_OPERATION_RESHAPE_XDESC, tensors_.at(x));
  operation.set(CUDNN_ATTR_OPERATION_RESHAPE_YDESC, tensors_.at(result));
  operation.finalize();
  steps_.push_back({Step::Kind::reshape, 0, {x}, result});
}

void CudnnGraph::finalize() {
  std::vector<cudnnBackendDescriptor_t> operations;
  for (const CudnnDescriptor& operation : operations_) operations.push_back(operation.handle());
  graph_.set(CUDNN_ATTR_OPERATIONGRAPH_OPS, CUDNN_TYPE_BACKEND_DESCRIPTOR, operations);
  if (device_.handle) graph_.set(CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE, device_.handle);
  graph_.finalize();
}

std::vector<CudnnDescriptor> CudnnGraph::engine_configs() const {
  CudnnDescriptor heuristic(cudnn_, CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR, "the heuristic");
  heuristic.set(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, graph_);
  heuristic.set(CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, CUDNN_HEUR_MODE_A);
  if (device_.properties) heuristic.set(CUDNN_ATTR_ENGINEHEUR_DEVICEPROP, *device_.properties);
  heuristic.finalize();
  std::vector<CudnnDescriptor> configs;
  const std::int64_t offered = heuristic.get_descriptors(CUDNN_ATTR_ENGINEHEUR_RESULTS, configs);
  for (std::int64_t i = 0; i < std::min(offered, kMostConfigs); ++i)
    configs.emplace_back(cudnn_, CUDNN_BACKEND_ENGINECFG_DESCRIPTOR, "an engine's configuration");
  if (configs.empty()) return configs;
  const std::int64_t given = heuristic.get_descriptors(CUDNN_ATTR_ENGINEHEUR_RESULTS, configs);
  while (static_cast<std::int64_t>(configs.size()) > given) configs.pop_back();
  return configs;
}

CudnnDescriptor CudnnGraph::plan(const CudnnDescriptor& engine_config) const {
  CudnnDescriptor plan(cudnn_, CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR, "the execution plan");
  plan.set(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, engine_config);
  if (device_.handle) plan.set(CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_TYPE_HANDLE, device_.handle);
  if (device_.properties) plan.set(CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP, *device_.properties);
  plan.finalize();
  return plan;
}

std::string describe_cudnn_engine(const CudnnDescriptor& engine_config) {
  const CudnnLibrary& cudnn = engine_config.library();
  std::vector<CudnnDescriptor> engine;
  engine.emplace_back(cudnn, CUDNN_BACKEND_ENGINE_DESCRIPTOR, "an engine");
  engine_config.get_descriptors(CUDNN_ATTR_ENGINECFG_ENGINE, engine);
  std::string text = "engine " + std::to_string(engine.front().get_integer(CUDNN_ATTR_ENGINE_GLOBAL_INDEX));
  std::vector<CudnnDescriptor> knobs;  // how many there are is told only to who asks for enough
  for (int i = 0; i < CUDNN_KNOB_TYPE_COUNTS; ++i)
    knobs.emplace_back(cudnn, CUDNN_BACKEND_KNOB_CHOICE_DESCRIPTOR, "a knob's choice");
  const std::int64_t count = engine_config.get_descriptors(CUDNN_ATTR_ENGINECFG_KNOB_CHOICES, knobs);
  while (static_cast<std::int64_t>(knobs.size()) > count) knobs.pop_back();
  for (const CudnnDescriptor& knob : knobs)
    text += (&knob == &knobs.front() ? ", knobs " : " ") + std::to_string(knob.get_knob_type()) + "=" +
            std::to_string(knob.get_integer(CUDNN_ATTR_KNOB_CHOICE_KNOB_VALUE));
  return text;
}

}  // namespace assay
