// Running a test on the instruction sets this CPU has but would not choose.
#pragma once
#include <gtest/gtest.h>

#include <hwy/targets.h>

namespace assay::test {

template <class Test>
void on_every_instruction_set(const Test& test) {
  hwy::SetSupportedTargetsForTest(0);
  int tried = 0;
  for (std::int64_t rest = hwy::SupportedTargets() & HWY_TARGETS; rest != 0; rest &= rest - 1, ++tried) {
    SCOPED_TRACE(hwy::TargetName(rest & -rest));
    hwy::SetSupportedTargetsForTest(rest & -rest);
    hwy::GetChosenTarget().Update(hwy::SupportedTargets());
    test();
    hwy::SetSupportedTargetsForTest(0);
    hwy::GetChosenTarget().Update(hwy::SupportedTargets());
  }
  EXPECT_GT(tried, 0);
}

}  // namespace assay::test
