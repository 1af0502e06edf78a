// Small changes to a text: to what it says where it is JSON, else to its bytes.
#pragma once
#include <random>
#include <string>

namespace assay {

/// The same generator and text give the same result.
std::string mutated(const std::string& text, std::mt19937_64& random);

}  // namespace assay
