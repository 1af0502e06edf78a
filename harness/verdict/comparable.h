// What may be compared: the same work under the same conditions.
#pragma once
#include <string>
#include <vector>

#include "harness/verdict/compare.h"

namespace assay {

/// What a case computes, whatever the conditions are: its id without cache, mode, data, seed, ranks and threads.
std::string work_id(const Case&);

/// The conditions by which two cases of the same work differ: "cache cold and hot, seed 1 and 2".  Empty where none.
std::string differing_conditions(const Case& base, const Case& next);

/// Machine, build and libraries, where the sides' first results differ.
std::vector<Difference> differences_of(const Result& base, const Result& next);

/// CPU threads or processes that the runs differ in, where that changes what a CPU case measures: "2 and 4 threads".
/// Empty where none.
std::string differing_crew(const Result& base, const Result& next);

/// What makes `other` another machine, or the same with other threads: "CPU differs: A and B".  Empty where nothing
/// does.
std::string another_machine(const Result& base, const Result& other);

}  // namespace assay
