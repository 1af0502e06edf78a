#include "tests/simt/gemm/sm90/wgmma_fp8_on_simt.h"

#include <cstring>

#include "tests/simt/targets.h"
#include "tests/simt/tensor_map_encoder.h"

namespace assay {

Target hopper(int multiprocessors) {
  Target target = gpu_target(90, multiprocessors);
  target.l2_bytes = std::size_t(50) << 20;
  return target;
}

std::string run_wgmma_fp8_sm90(const simt::ptx::Module& module, const GemmProblemOnSimt& on_simt,
                               const std::string& config, simt::Options options, simt::Stats* stats) {
  GemmProblem problem = on_simt.problem();
  problem.config = config;
  simt::DeviceHeap heap;
  options.heap = &heap;
  const GemmBuffers buffers = on_simt.upload(heap);
  const WgmmaSm90WorkspaceBytes bytes = workspace_of(choose_wgmma_sm90(problem, hopper()));
  WgmmaSm90Workspace workspace;
  if (bytes.arrived) {
    workspace.partial_sums = static_cast<float*>(heap.allocate(bytes.partial_sums));
    workspace.arrived = static_cast<unsigned*>(heap.allocate(bytes.arrived));
    std::memset(workspace.arrived, 0, bytes.arrived);
  }
  const auto plan = plan_wgmma_fp8_sm90(problem, buffers, hopper(), workspace, encode_tensor_map);
  const simt::Stats of_run = simt::launch(module.kernel(plan.kernel), plan, options);
  if (stats) *stats = of_run;
  return on_simt.compare(buffers);
}

}  // namespace assay
