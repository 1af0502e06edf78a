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

}  // namespace

void derive_shapes(Entry& entry) {
  const Values* named = entry.find("model");
  if (!named) return;
  entry.derived = true;
  const auto tensor_parallel = numbers(entry, "tensor_parallel", 1);
  const auto expert_parallel = numbers(entry, "expert_parallel", 0);
  const auto tokens = numbers(entry, "tokens", 1);
  const std::vector<Shape> written = entry.shapes.empty() ? std::vector<Shape>(1) : std::move(entry.shapes);
  entry.shapes.clear();
  const auto add = [&](const Shape& derived) {
    for (Shape shape : written) {
      shape.axes.insert(shape.axes.end(), derived.axes.begin(), derived.axes.end());
      shape.labels = derived.labels;
      shape.width = derived.width;
      shape.bits = derived.bits;
      entry.shapes.push_back(std::move(shape));
    }
  };
  double combinations = double(written.size());  // a double cannot overflow here
  for (const auto size : {named->list.size(), tensor_parallel.size(), expert_parallel.size(), tokens.size()})
    combinations *= double(size);
  if (combinations > double(kMaxCases))
    throw InputError(fmt::format("{}: {:.0f} combinations of models, degrees, tokens and shapes, expected at most {}",
                                 entry.place, combinations, kMaxCases));
  const bool of_messages = find_key(keys_of(*entry.kind), "message") != nullptr;
  ModelFilter filter(entry, of_messages ? "message" : "layer");
  for (const auto& value : named->list) {
    const Model& model = at_place(named->place, [&]() -> std::reference_wrapper<const Model> {
      return find_model(std::get<std::string>(value));
    });
    if (entry.kind->name == "train_step") {
      const auto& axes = written.front().axes;  // the same in all of them
      const bool layers = std::any_of(axes.begin(), axes.end(), [](const CaseAxis& a) { return a.name == "layers"; });
      add(at_place(entry.place, [&] { return to_train_shape(model, entry, layers); }));
      continue;
    }
    for (const auto tp : tensor_parallel) {
      if (entry.kind->name == "attention") {
        add(to_shape(at_place(entry.place, [&] { return model.attention(tp); })));
        continue;
      }
      if (of_messages) {
        for (const auto t : tokens)
          for (const auto& message : at_place(entry.place, [&] { return messages_of(model, entry.kind->name, tp, t); }))
            if (filter.takes(message))
              for (const Shape& shape : to_shapes(message, entry)) add(shape);
        continue;
      }
      const auto add_grouped = [&](std::int64_t t, std::int64_t ep) {
        for (const auto& gemm : at_place(entry.place, [&] { return model.grouped_gemms(t, ep); }))
          if (filter.takes(gemm)) add(to_shape(gemm));
      };
      const auto add_gemms = [&](std::int64_t t, std::int64_t ep) {
        for (const auto& gemm : at_place(entry.place, [&] { return model.gemms(tp, t, ep); })) {
          if (!filter.takes(gemm)) continue;
          add(to_shape(gemm, Width::sixteen_bits_and_more));
          add(to_k_major_shape(gemm));
        }
      };
      for (const auto ep : expert_parallel)
        for (const auto t : tokens)
          if (entry.kind->name == "grouped_gemm")
            add_grouped(t, ep);
          else
            add_gemms(t, ep);
    }
  }
  if (entry.kind->name != "attention" && entry.kind->name != "train_step") filter.check_used(entry);
}

}  // namespace assay
