#include "harness/verdict/digests.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

namespace assay {
namespace {

/// One machine's, by its GPU's UUID where it has one: host names repeat.
std::string voter_of(const Case& point, const std::string& host, const nlohmann::ordered_json& provenance) {
  std::string out = host + " " + (point.device == Device::gpu ? fmt::format("GPU {}", point.device_index) : "CPU");
  if (point.device != Device::gpu) return out;
  for (const auto& gpu : provenance.at("gpus"))
    if (gpu.is_object() && gpu.value("index", nlohmann::ordered_json()) == point.device_index &&
        gpu.value("uuid", nlohmann::ordered_json()).is_string())
      out += " (" + gpu["uuid"].get<std::string>() + ")";
  return out;
}

/// Those who voted for one digest, and the first vote of them.
struct Party {
  std::set<std::string> voters;
  std::size_t first = 0;
};

}  // namespace

std::vector<Dissent> dissents(const std::vector<DigestVote>& votes) {
  using Key = std::pair<std::string, std::string>;
  std::map<Key, std::map<std::string, Party>> ballots;
  for (std::size_t i = 0; i < votes.size(); ++i) {
    auto& parties = ballots[{votes[i].digest_of, votes[i].computed_by}];
    const auto [party, added] = parties.try_emplace(votes[i].digest);
    if (added) party->second.first = i;
    party->second.voters.insert(votes[i].voter);
  }
  std::vector<Dissent> out;
  for (std::size_t i = 0; i < votes.size(); ++i) {
    const auto& parties = ballots[{votes[i].digest_of, votes[i].computed_by}];
    const Party& own = parties.at(votes[i].digest);
    const Party* rival = nullptr;
    for (const auto& [digest, party] : parties)
      if (&party != &own && (!rival || party.voters.size() > rival->voters.size())) rival = &party;
    if (!rival || rival->voters.size() < own.voters.size()) continue;
    out.push_back(
        {i, rival->first, own.voters.size(), rival->voters.size(), rival->voters.size() == own.voters.size()});
  }
  return out;
}

Cause cause_of(const Dissent& dissent, const std::vector<DigestVote>& votes) {
  const DigestVote& own = votes[dissent.vote];
  const DigestVote& rival = votes[dissent.rival];
  const std::string others =
      dissent.against == 1 ? rival.voter : fmt::format("{} and {} more", rival.voter, dissent.against - 1);
  const std::string told = fmt::format(
      "{}: silent data corruption: its output's digest is {}, that of {} is {}, by the same "
      "kernel from the same inputs ({})",
      own.voter, own.digest, others, rival.digest, own.computed_by);
  if (!dissent.tie) return {CauseCode::other_bits, told + ": drain the node and return the part", Action::return_part};
  const std::string either = dissent.agreeing == 1 ? std::string("one of the two is wrong")
                                                   : fmt::format("{} against {}, one of the two sides is wrong",
                                                                 dissent.agreeing, dissent.against);
  return {CauseCode::other_bits, told + ": " + either + ": drain both and soak a third", Action::drain};
}

void DigestComparison::add(const std::string& file, const Result& result) {
  const auto system = result.provenance.value("system", nlohmann::ordered_json::object());
  const auto name = system.is_object() ? system.value("hostname", nlohmann::ordered_json()) : nlohmann::ordered_json();
  const std::string host = name.is_string() ? name.get<std::string>() : file;
  const std::size_t before = votes_.size();
  for (const Record& record : result.records) {
    // One that is wrong is accused already, and no witness.
    if (!record.outcome.ok() || !record.soak || record.soak->digest.empty()) continue;
    votes_.push_back({voter_of(record.point, host, result.provenance), record.soak->digest_of, record.soak->computed_by,
                      record.soak->digest});
    places_.push_back({file, record.point.id(), host});
  }
  if (votes_.size() == before) without_.push_back(file);
}

void DigestComparison::judge(std::vector<Judgement>& judgements) const {
  for (const Dissent& dissent : dissents(votes_)) {
    const Place& place = places_[dissent.vote];
    const auto is_here = [&](const Judgement& j) { return j.result == place.file && j.id == place.id; };
    if (std::none_of(judgements.begin(), judgements.end(), is_here)) {
      Judgement j;
      j.result = place.file;
      j.id = place.id;
      j.host = place.host;
      judgements.push_back(std::move(j));
    }
    for (Judgement& j : judgements) {
      if (!is_here(j)) continue;
      j.standing = Standing::fail;
      j.wrong = true;
      j.cause = cause_of(dissent, votes_);
      j.text = "wrong numbers: " + j.cause->text;
    }
  }
  if (votes_.empty() || without_.empty()) return;
  Judgement j;
  j.standing = Standing::not_judged;
  j.result = without_.front();
  j.id = "digests";
  j.text = fmt::format("no soak's digest in {} of the results, which are not judged by it: {}", without_.size(),
                       fmt::join(without_, ", "));
  judgements.push_back(std::move(j));
}

}  // namespace assay
