// The minimum of a function of one variable that has one.
#pragma once
#include <functional>

namespace assay {

/// To a thousandth of its value.
double golden_section(double low, double high, const std::function<double(double)>& cost);

}  // namespace assay
