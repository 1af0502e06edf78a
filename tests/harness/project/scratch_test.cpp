#include <gtest/gtest.h>
#include <fmt/format.h>
#include "harness/project/calibration.h"
#include "harness/project/memory.h"
using namespace assay;
TEST(S, S){
 const auto& runs=published_runs();
 const auto cal=Calibration::fit(runs);
 for(auto&f:cal.factors()) fmt::print("{} = {:.3f} on {}\n",f.name,f.value,f.fitted_on.size());
 for(auto&r:runs.runs){
  TrainingPlan s=r.setup; s.stack=cal.stack(stack_named(runs,s.stack.name));
  auto t=step_time(s,r.hardware,cal.shares(r.hardware,s.precision)); auto m=memory_of(s);
  fmt::print("{:28s} {:9.3f} {:9.3f} {:+6.1f}% {} g{:.0f} a{:.0f} s{:.0f} tp{:.0f} cp{:.0f} pp{:.0f} dp{:.0f} b{:.0f} o{:.0f} st{:.0f} mem {:.1f}\n",r.id,r.step_seconds,t.total(),100*(t.total()/r.step_seconds-1),r.calibrates?'c':' ',t.gemm*1e3,t.attention*1e3,t.stream*1e3,t.tensor*1e3,t.context*1e3,t.pipeline*1e3,t.data*1e3,t.bubble*1e3,t.optimizer*1e3,t.stragglers*1e3,m.total()/1e9);
 }
}
