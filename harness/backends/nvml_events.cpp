// Xids as NVML reports them.
#include "harness/backends/nvml.h"
#include "harness/backends/nvml_functions.h"

namespace assay {
namespace {

class Events final : public NvmlEvents {
 public:
  Events(const NvmlFunctions& f, void* set) : f_(f), set_(set) {}
  ~Events() override {
    if (f_.events_free) f_.events_free(set_);
  }
  Events(const Events&) = delete;
  Events& operator=(const Events&) = delete;

  std::vector<int> xids() override {
    constexpr int kMostAtOnce = 64;  // a GPU that dies may say so without end
    std::vector<int> out;
    for (int i = 0; i < kMostAtOnce; ++i) {
      NvmlEventData event;
      if (f_.events_wait(set_, &event, 0) != kNvmlSuccess) break;  // time-out: nothing more
      if (event.type & kNvmlEventXid) out.push_back(int(event.data));
    }
    return out;
  }

 private:
  const NvmlFunctions& f_;
  void* set_;
};

}  // namespace

std::unique_ptr<NvmlEvents> Nvml::watch_xids(Handle gpu) const {
  const NvmlFunctions& f = *functions_;
  void* set = nullptr;
  if (!f.events_create || !f.events_register || !f.events_wait || f.events_create(&set) != kNvmlSuccess) return nullptr;
  auto events = std::make_unique<Events>(f, set);
  if (f.events_register(gpu, kNvmlEventXid, set) != kNvmlSuccess) return nullptr;
  return events;
}

}  // namespace assay
