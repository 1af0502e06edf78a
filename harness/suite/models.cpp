#include "harness/suite/models.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

#include "harness/core/error.h"
#include "harness/core/file.h"
#include "harness/suite/embedded.h"
#include "harness/suite/json_schema.h"
#include "harness/suite/wording.h"

namespace assay {
namespace {

using nlohmann::ordered_json;

constexpr const char* kSchema = "model.schema.json";

/// A linear layer on one rank: y[tokens, n] = x[tokens, k] * W^T, W is [n, k].
struct Linear {
  std::string layer;
  std::int64_t n = 0, k = 0, tokens = 0;
  std::string split;         // "tp8"
  std::int64_t experts = 0;  // routed ones on this rank, each with such a layer; 0: not an expert's
};

/// The shapes of one model at one degree of parallelism.
class Layers {
 public:
  Layers(const Model& model, std::int64_t tensor_parallel, std::int64_t tokens, std::int64_t expert_parallel)
      : model_(model), file_(parse_json(model.text, model.name, kSchema)), tp_(tensor_parallel), tokens_(tokens) {
    if (tensor_parallel < 1 || tokens < 1 || expert_parallel < 0)
      throw InputError(fmt::format("{}: tensor_parallel and tokens must be at least 1", model.name));
    if (file_.contains("latent_attention"))
      latent_attention(file_["latent_attention"]);
    else
      grouped_query_attention();
    if (file_.contains("feed_forward")) feed_forward("", file_["feed_forward"]);
    if (file_.contains("shared_expert")) feed_forward("shared_", file_["shared_expert"]);
    if (file_.contains("experts")) experts(file_["experts"], expert_parallel);
    column("head", model.vocabulary, model.hidden);
  }
  std::vector<Linear> take() { return std::move(all_); }

 private:
  /// The output features are split over the ranks.
  void column(const std::string& layer, std::int64_t n, std::int64_t k) { add(layer, share(layer, n), k); }
  /// The input features are split over the ranks, and the outputs are summed.
  void row(const std::string& layer, std::int64_t n, std::int64_t k) { add(layer, n, share(layer, k)); }
  /// Every rank has all of it.
  void whole(const std::string& layer, std::int64_t n, std::int64_t k) { add(layer, n, k); }

  void add(const std::string& layer, std::int64_t n, std::int64_t k) {
    all_.push_back({layer, n, k, tokens_, fmt::format("tp{}", tp_)});
  }

  std::int64_t share(const std::string& layer, std::int64_t width) const {
    if (width % tp_ == 0) return width / tp_;
    throw InputError(
        fmt::format("{}: tensor_parallel {} does not divide the {} features of {}", model_.name, tp_, width, layer));
  }

  void grouped_query_attention() {
    for (const auto heads : {model_.heads, model_.kv_heads})
      if (heads % tp_ != 0)
        throw InputError(fmt::format("{}: tensor_parallel {} does not divide its {} heads and {} kv heads", model_.name,
                                     tp_, model_.heads, model_.kv_heads));
    column("qkv", (model_.heads + 2 * model_.kv_heads) * model_.head_dim, model_.hidden);
    row("attn_out", model_.hidden, model_.heads * model_.head_dim);
  }

  /// The down-projections of queries and of keys with values are one GEMM, small enough that every rank does all of it.
  void latent_attention(const ordered_json& latent) {
    const auto q_rank = latent["q_rank"].get<std::int64_t>(), kv_rank = latent["kv_rank"].get<std::int64_t>();
    const auto rope = latent["rope_head_dim"].get<std::int64_t>(), v_dim = latent["v_head_dim"].get<std::int64_t>();
    whole("q_a_kv_a", q_rank + kv_rank + rope, model_.hidden);
    column("q_b", model_.heads * (model_.head_dim + rope), q_rank);
    column("kv_b", model_.heads * (model_.head_dim + v_dim), kv_rank);
    row("attn_out", model_.hidden, model_.heads * v_dim);
  }

  void feed_forward(const std::string& prefix, const ordered_json& network) {
    const auto size = network["size"].get<std::int64_t>();
    const bool gated = network["form"] == "gated";
    column(prefix + (gated ? "gate_up" : "fc1"), gated ? 2 * size : size, model_.hidden);
    row(prefix + (gated ? "down" : "fc2"), model_.hidden, size);
  }

  /// One expert's GEMMs at balance: every rank sends each token to `per_token` of the `count` experts.
  void experts(const ordered_json& experts, std::int64_t expert_parallel) {
    const auto count = experts["count"].get<std::int64_t>(), per_token = experts["per_token"].get<std::int64_t>();
    const auto size = experts["size"].get<std::int64_t>();
    const auto ep = expert_parallel ? expert_parallel : experts["expert_parallel"].get<std::int64_t>();
    if (count % ep != 0)
      throw InputError(fmt::format("{}: expert_parallel {} does not divide its {} experts", model_.name, ep, count));
    whole("router", count, model_.hidden);
    const auto mean = std::max<std::int64_t>(1, tokens_ * ep * per_token / count);
    const bool gated = experts["form"] == "gated";
    const std::string split = fmt::format("ep{}", ep);
    all_.push_back(
        {gated ? "expert_gate_up" : "expert_fc1", gated ? 2 * size : size, model_.hidden, mean, split, count / ep});
    all_.push_back({gated ? "expert_down" : "expert_fc2", model_.hidden, size, mean, split, count / ep});
  }

  const Model& model_;
  const ordered_json file_;
  std::int64_t tp_, tokens_;
  std::vector<Linear> all_;
};

}  // namespace

Model parse_model(std::string_view text, const std::string& source) {
  const ordered_json json = parse_json(text, source, kSchema);
  Model model;
  model.name = json["name"];
  model.full_name = json["full_name"];
  model.source = json["source"];
  model.layers = json["layers"];
  model.hidden = json["hidden"];
  model.heads = json["heads"];
  model.kv_heads = json["kv_heads"];
  model.head_dim = json["head_dim"];
  model.vocabulary = json["vocabulary"];
  model.text = text;
  if (!json.contains("experts") && json.contains("shared_expert"))
    throw InputError(source + ": /shared_expert: without /experts there is none to share with");
  if (const std::string problem = dimension_problem(model.transformer()); !problem.empty())
    throw InputError(fmt::format("{}: {}", source, problem));
  return model;
}

Model load_model(const std::string& name) {
  constexpr std::size_t kMostBytes = 1 << 20;
  return names_file(name) ? parse_model(read_file(name, kMostBytes), name) : find_model(name);
}

std::vector<ModelGemm> Model::gemms(std::int64_t tensor_parallel, std::int64_t tokens,
                                    std::int64_t expert_parallel) const {
  std::vector<ModelGemm> all;
  for (const Linear& linear : Layers(*this, tensor_parallel, tokens, expert_parallel).take()) {
    const auto add = [&](const char* pass, std::int64_t m, std::int64_t n, std::int64_t k, GemmLayout layout) {
      all.push_back(
          {fmt::format("{}/{}/{}/{}", name, linear.layer, pass, linear.split), linear.layer, pass, m, n, k, layout});
    };
    const auto [n, k, t] = std::tuple(linear.n, linear.k, linear.tokens);
    add("forward", t, n, k, GemmLayout::tn);  // y[t, n] = x[t, k] * w[n, k]^T
    add("dgrad", t, k, n, GemmLayout::nn);    // dx[t, k] = dy[t, n] * w[n, k]
    add("wgrad", n, k, t, GemmLayout::nt);    // dw[n, k] += dy[t, n]^T * x[t, k]
  }
  return all;
}

Transformer Model::transformer() const {
  const ordered_json file = parse_json(text, name, kSchema);
  const auto network = [&](const char* key) {
    if (!file.contains(key)) return FeedForward{};
    return FeedForward{file[key]["form"] == "gated", file[key]["size"].get<std::int64_t>()};
  };
  Transformer t;
  t.layers = layers, t.hidden = hidden, t.heads = heads, t.kv_heads = kv_heads;
  t.head_dim = head_dim, t.vocabulary = vocabulary;
  t.dense = network("feed_forward");
  t.expert = network("experts");
  t.shared = network("shared_expert");
  t.tied_embedding = file.value("tied_embedding", false);
  if (t.dense.size > 0) t.dense_layers = file["feed_forward"].value("layers", layers);
  if (t.expert.size > 0) {
    t.experts = file["experts"]["count"];
    t.experts_per_token = file["experts"]["per_token"];
    t.routing_nodes = file["experts"].value("nodes", std::int64_t(0));
  }
  if (!file.contains("latent_attention")) return t;
  const ordered_json& latent = file["latent_attention"];
  t.q_rank = latent["q_rank"], t.kv_rank = latent["kv_rank"];
  t.rope_head_dim = latent["rope_head_dim"], t.v_head_dim = latent["v_head_dim"];
  return t;
}

bool Model::has_routed_experts() const { return parse_json(text, name, kSchema).contains("experts"); }

std::vector<ModelGroupedGemm> Model::grouped_gemms(std::int64_t tokens, std::int64_t expert_parallel) const {
  const ordered_json file = parse_json(text, name, kSchema);
  if (!file.contains("experts")) throw InputError(fmt::format("{}: it has no routed experts", name));
  const auto per_token = file["experts"]["per_token"].get<std::int64_t>();
  std::vector<ModelGroupedGemm> all;
  for (const Linear& linear : Layers(*this, 1, tokens, expert_parallel).take())
    if (linear.experts > 0)  // what arrives from all ranks is as much as this one sends: `per_token` rows a token
      all.push_back({fmt::format("{}/{}/{}", name, linear.layer, linear.split), linear.layer, linear.experts,
                     tokens * per_token, linear.n, linear.k});
  return all;
}

ModelAttention Model::attention(std::int64_t tensor_parallel) const {
  if (tensor_parallel < 1 || heads % tensor_parallel != 0 || kv_heads % tensor_parallel != 0)
    throw InputError(fmt::format("{}: tensor_parallel {} does not divide its {} heads and {} kv heads", name,
                                 tensor_parallel, heads, kv_heads));
  ModelAttention attention{fmt::format("{}/attention/tp{}", name, tensor_parallel), heads / tensor_parallel,
                           kv_heads / tensor_parallel, head_dim};
  if (const ordered_json file = parse_json(text, name, kSchema); file.contains("latent_attention")) {
    const ordered_json& latent = file["latent_attention"];
    attention.head_dim += latent["rope_head_dim"].get<std::int64_t>();
    attention.head_dim_v = latent["v_head_dim"];
  }
  return attention;
}

const std::vector<Model>& models() {
  static const std::vector<Model> all = [] {
    std::vector<Model> parsed;
    for (const auto& file : embedded_files())
      if (file.path.starts_with("models/"))
        parsed.push_back(parse_model(file.text, fmt::format("configs/{}", file.path)));
    return parsed;
  }();
  return all;
}

const Model& find_model(std::string_view name) {
  std::vector<std::string> names;
  for (const auto& model : models()) {
    if (model.name == name) return model;
    names.push_back(model.name);
  }
  throw InputError(
      fmt::format("no model is called '{}'; there are {}{}", printable(name), join(names), did_you_mean(name, names)));
}

}  // namespace assay
