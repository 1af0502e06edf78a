// Entries that name models: their shapes.
#include <fmt/format.h>

#include <algorithm>

#include "harness/core/error.h"
#include "harness/core/glob.h"
#include "harness/suite/entry.h"
#include "harness/suite/keys.h"
#include "harness/suite/messages.h"
#include "harness/suite/models.h"
#include "harness/suite/wording.h"

namespace assay {
namespace {

std::vector<std::int64_t> numbers(const Entry& entry, std::string_view key, std::int64_t otherwise) {
  const Values* values = entry.find(key);
  if (!values) return {otherwise};
  std::vector<std::int64_t> out;
  for (const auto& value : values->list) out.push_back(std::get<std::int64_t>(value));
  return out;
}

std::vector<std::string> words(const Entry& entry, std::string_view key, std::vector<std::string> otherwise) {
  const Values* values = entry.find(key);
  if (!values) return otherwise;
  std::vector<std::string> out;
  for (const auto& value : values->list) out.push_back(std::get<std::string>(value));
  return out;
}

/// What to take of a model's GEMMs or messages, and which of the patterns matched any.
class ModelFilter {
 public:
  ModelFilter(const Entry& entry, const char* key)
      : key_(key),
        passes_(words(entry, "pass", {"forward", "dgrad", "wgrad"})),
        patterns_(words(entry, key, {"*"})),
        used_(patterns_.size(), false) {}

  bool takes(const ModelGemm& gemm) {
    return takes_layer(gemm.layer) && std::find(passes_.begin(), passes_.end(), gemm.pass) != passes_.end();
  }
  /// The pass is an axis of the workload, and not the model's.
  bool takes(const ModelGroupedGemm& gemm) { return takes_layer(gemm.layer); }
  bool takes(const ModelMessage& message) { return takes_layer(message.message); }

  /// A pattern that matches nothing is misspelled; but the suite's own may fit only the models it was written for, and
  /// not those that `--set model` put in their place.
  void check_used(const Entry& entry) {
    constexpr std::string_view kCommandLine = "--set ";
    const auto replaced = [&](const char* key) {
      const Values* values = entry.find(key);
      return values && values->place.starts_with(kCommandLine);
    };
    if (replaced("model") && !replaced(key_)) return;
    std::sort(layers_.begin(), layers_.end());
    layers_.erase(std::unique(layers_.begin(), layers_.end()), layers_.end());
    for (std::size_t i = 0; i < patterns_.size(); ++i)
      if (!used_[i])
        throw InputError(fmt::format("{}: no {} of the models matches \"{}\"; there are {}{}", entry.find(key_)->place,
                                     key_, printable(patterns_[i]), join(layers_),
                                     did_you_mean(patterns_[i], layers_)));
  }

 private:
  bool takes_layer(const std::string& name) {
    layers_.push_back(name);
    bool any = false;
    for (std::size_t i = 0; i < patterns_.size(); ++i)
      if (glob_match(patterns_[i], name)) {
        any = true;
        used_[i] = true;
      }
    return any;
  }

  const char* key_;  // that has the patterns
  std::vector<std::string> passes_, patterns_;
  std::vector<char> used_;
  std::vector<std::string> layers_;
};

Shape to_shape(const ModelGemm& gemm, Width width) {
  return {
      {{"layout", std::string(name(gemm.layout))}, {"m", gemm.m}, {"n", gemm.n}, {"k", gemm.k}}, {gemm.label}, width};
}

/// The same product with both operands k-major: of transposed copies in dgrad (of w) and wgrad (of both), which 8-bit
/// training keeps because Hopper's tensor cores take no other layout of them.  Wgrad still adds into fp32.
Shape to_k_major_shape(const ModelGemm& gemm) {
  ModelGemm k_major = gemm;
  k_major.layout = GemmLayout::tn;
  Shape shape = to_shape(k_major, Width::fewer);
  if (gemm.layout == GemmLayout::nt) shape.axes.push_back({"accumulate", std::string("f32")});
  return shape;
}

Shape to_shape(const ModelGroupedGemm& gemm) {
  return {{{"groups", gemm.groups}, {"rows", gemm.rows}, {"n", gemm.n}, {"k", gemm.k}}, {gemm.label}};
}

Shape to_shape(const ModelAttention& attention) {
  return {{{"heads", attention.heads},
           {"kv_heads", attention.kv_heads},
           {"head_dim", attention.head_dim},
           {"head_dim_v", attention.head_dim_v}},
          {attention.label}};
}

/// Of a model that a step knows how to train.  Fewer `layers` than the model has may be given beside it.
Shape to_train_shape(const Model& model, const Entry& entry, bool own_layers) {
  const Transformer t = model.transformer();
  if (t.experts > 0 || t.latent() || t.tied_embedding || !t.dense.gated)
    throw InputError(
        fmt::format("{}: train_step trains Llama-style models: gated feed-forward, grouped queries, a head of its own",
                    model.name));
  Shape shape{{{"hidden", t.hidden},
               {"heads", t.heads},
               {"kv_heads", t.kv_heads},
               {"head_dim", t.head_dim},
               {"feed_forward", t.dense.size},
               {"vocabulary", t.vocabulary}},
              {model.name}};
  if (!entry.find("layers") && !own_layers) shape.axes.push_back({"layers", t.layers});
  return shape;
}

/// One shape for each width of the entry's element types: a message's bytes depend on it.
std::vector<Shape> to_shapes(const ModelMessage& message, const Entry& entry) {
  std::vector<Shape> shapes;
  for (const DTypeInfo& type : kDTypes) {
    const auto has = [&](int bits) {
      return std::any_of(shapes.begin(), shapes.end(), [&](const Shape& shape) { return shape.bits == bits; });
    };
    const auto dtypes = words(entry, "dtype", {});
    if (std::find(dtypes.begin(), dtypes.end(), type.name) == dtypes.end() || has(type.bits)) continue;
    shapes.push_back({{{"bytes", storage_bytes(type.dtype, message.elements)}}, {message.label}});
    shapes.back().bits = type.bits;
  }
  return shapes;
}

/// Runs `derive` and puts the place before its errors.
template <class Derive>
auto at_place(const std::string& place, Derive derive) {
  try {
    return derive();
  } catch (const InputError& error) {
    throw InputError(fmt::format("{}: {}", place, error.what()));
  }
}

/// How a model is spread over devices, and on how many tokens: of each every value that the entry names.
struct Spread {
  explicit Spread(const Entry& entry)
      : tensor_parallel(numbers(entry, "tensor_parallel", 1)),
        expert_parallel(numbers(entry, "expert_parallel", 0)),
        tokens(numbers(entry, "tokens", 1)) {}
  std::vector<std::int64_t> tensor_parallel, expert_parallel, tokens;
};

/// The shapes of one model in an entry of one workload.
class ModelShapes {
 public:
  ModelShapes(const Entry& entry, const Model& model, const Spread& spread, ModelFilter& filter)
      : entry_(entry), model_(model), spread_(spread), filter_(filter) {}

  std::vector<Shape> attentions() {
    std::vector<Shape> out;
    for (const auto tp : spread_.tensor_parallel)
      out.push_back(to_shape(at_place(entry_.place, [&] { return model_.attention(tp); })));
    return out;
  }

  std::vector<Shape> messages() {
    std::vector<Shape> out;
    for (const auto tp : spread_.tensor_parallel)
      for (const auto t : spread_.tokens)
        for (const auto& message :
             at_place(entry_.place, [&] { return messages_of(model_, entry_.kind->name, tp, t); })) {
          if (!filter_.takes(message)) continue;
          const std::vector<Shape> shapes = to_shapes(message, entry_);
          out.insert(out.end(), shapes.begin(), shapes.end());
        }
    return out;
  }

  std::vector<Shape> grouped_gemms() {
    std::vector<Shape> out;
    each_spread([&](std::int64_t, std::int64_t ep, std::int64_t t) {
      for (const auto& gemm : at_place(entry_.place, [&] { return model_.grouped_gemms(t, ep); }))
        if (filter_.takes(gemm)) out.push_back(to_shape(gemm));
    });
    return out;
  }

  std::vector<Shape> gemms() {
    std::vector<Shape> out;
    each_spread([&](std::int64_t tp, std::int64_t ep, std::int64_t t) {
      for (const auto& gemm : at_place(entry_.place, [&] { return model_.gemms(tp, t, ep); })) {
        if (!filter_.takes(gemm)) continue;
        out.push_back(to_shape(gemm, Width::sixteen_bits_and_more));
        out.push_back(to_k_major_shape(gemm));
      }
    });
    return out;
  }

 private:
  template <class Use>
  void each_spread(Use use) const {
    for (const auto tp : spread_.tensor_parallel)
      for (const auto ep : spread_.expert_parallel)
        for (const auto t : spread_.tokens) use(tp, ep, t);
  }

  const Entry& entry_;
  const Model& model_;
  const Spread& spread_;
  ModelFilter& filter_;
};

bool has_messages(const Entry& entry) { return find_key(keys_of(*entry.kind), "message") != nullptr; }

/// `written`: what the entry itself gives beside its models.
std::vector<Shape> shapes_of(const Entry& entry, const Model& model, const Spread& spread, ModelFilter& filter,
                             const Shape& written) {
  const std::string& workload = entry.kind->name;
  if (workload == "train_step") {
    const bool own_layers = std::any_of(written.axes.begin(), written.axes.end(),
                                        [](const CaseAxis& axis) { return axis.name == "layers"; });
    return {at_place(entry.place, [&] { return to_train_shape(model, entry, own_layers); })};
  }
  ModelShapes shapes(entry, model, spread, filter);
  if (workload == "attention") return shapes.attentions();
  if (has_messages(entry)) return shapes.messages();
  return workload == "grouped_gemm" ? shapes.grouped_gemms() : shapes.gemms();
}

void check_combinations(const Entry& entry, std::size_t models, const Spread& spread, std::size_t written) {
  double combinations = double(written);  // a double cannot overflow here
  for (const auto size : {models, spread.tensor_parallel.size(), spread.expert_parallel.size(), spread.tokens.size()})
    combinations *= double(size);
  if (combinations > double(kMaxCases))
    throw InputError(fmt::format("{}: {:.0f} combinations of models, degrees, tokens and shapes, expected at most {}",
                                 entry.place, combinations, kMaxCases));
}

}  // namespace

void derive_shapes(Entry& entry) {
  const Values* named = entry.find("model");
  if (!named) return;
  entry.derived = true;
  const Spread spread(entry);
  const std::vector<Shape> written = entry.shapes.empty() ? std::vector<Shape>(1) : std::move(entry.shapes);
  entry.shapes.clear();
  check_combinations(entry, named->list.size(), spread, written.size());
  ModelFilter filter(entry, has_messages(entry) ? "message" : "layer");
  for (const auto& value : named->list) {
    const Model& model = at_place(named->place, [&]() -> std::reference_wrapper<const Model> {
      return find_model(std::get<std::string>(value));
    });
    for (const Shape& derived : shapes_of(entry, model, spread, filter, written.front()))  // all have the same axes
      for (Shape shape : written) {
        shape.axes.insert(shape.axes.end(), derived.axes.begin(), derived.axes.end());
        shape.labels = derived.labels;
        shape.width = derived.width;
        shape.bits = derived.bits;
        entry.shapes.push_back(std::move(shape));
      }
  }
  if (entry.kind->name != "attention" && entry.kind->name != "train_step") filter.check_used(entry);
}

}  // namespace assay
