#include "harness/runner/resume.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "harness/core/error.h"
#include "harness/record/provenance.h"

namespace assay {
namespace {

using Json = nlohmann::ordered_json;
namespace fs = std::filesystem;

std::vector<std::string> ids_of(const std::vector<PlannedCase>& planned) {
  std::vector<std::string> out;
  for (const auto& one : planned) out.push_back(one.point.id());
  return out;
}

/// What a result's records have in common beside the suite: one provenance speaks for all of them.
Json identity(const Json& provenance) {
  const auto look = [&](const char* outer, const char* inner) {
    return provenance.contains(outer) && provenance[outer].is_object() ? provenance[outer].value(inner, Json())
                                                                       : Json();
  };
  Json out = {{"build", provenance.value("build", Json())},
              {"CPU model", look("cpu", "model")},
              {"host name", look("system", "hostname")},
              {"threads and ranks", provenance.value("run", Json())},
              {"GPUs", Json::array()}};
  for (const auto& gpu : provenance.value("gpus", Json::array()))
    out["GPUs"].push_back(gpu.is_object() ? gpu.value("name", Json()) : Json());
  return out;
}

[[noreturn]] void refuse(const std::string& source, const std::string& what, const std::string& there,
                         const std::string& here) {
  throw InputError(
      fmt::format("{}: cannot be resumed: its {} is {}, and this run's is {}; run with the same, or choose "
                  "another --out",
                  source, what, there, here));
}

void expect_same_plan(const std::string& source, const std::vector<std::string>& there,
                      const std::vector<std::string>& here) {
  if (there == here) return;
  const std::set<std::string> before(there.begin(), there.end()), now(here.begin(), here.end());
  for (const auto& id : here)
    if (!before.contains(id))
      throw InputError(fmt::format("{}: cannot be resumed: this run has the case {}, and it has not", source, id));
  for (const auto& id : there)
    if (!now.contains(id))
      throw InputError(fmt::format("{}: cannot be resumed: it has the case {}, and this run has not", source, id));
  throw InputError(fmt::format("{}: cannot be resumed: the same cases come in another order", source));
}

void expect_same_run(const std::string& source, const Result& there, const Result& here) {
  if (there.suite != here.suite) refuse(source, "suite", there.suite, here.suite);
  if (!(there.sampling == here.sampling))
    refuse(source, "sampling rule", to_json(there.sampling).dump(), to_json(here.sampling).dump());
  const Json before = identity(there.provenance), now = identity(here.provenance);
  for (const auto& [key, value] : now.items()) {
    const Json& there_value = before[key];
    if (there_value == value) continue;
    // Of an object, the member that differs says more than the whole.
    if (value.is_object() && there_value.is_object())
      for (const auto& [member, inner] : value.items())
        if (const Json old = there_value.value(member, Json()); old != inner)
          refuse(source, key + " (" + member + ")", old.dump(), inner.dump());
    refuse(source, key, there_value.dump(), value.dump());
  }
}

/// Whether something has that name: a link that leads nowhere has it too.
bool is_there(const fs::path& path) {
  std::error_code failed;
  const auto type = fs::symlink_status(path, failed).type();
  if (type == fs::file_type::none)
    throw InputError(fmt::format("{}: cannot be used: {}", path.string(), failed.message()));
  return type != fs::file_type::not_found;
}

/// MeasureError where a finding speaks against measuring what is planned, unless that is wanted anyway.  Only what is
/// measured counts: a CPU is no worse for a GPU beside it.
void expect_fit(const std::vector<PlannedCase>& planned, const RunOptions& options, Json& provenance) {
  for (const Device device : {Device::cpu, Device::gpu}) {
    const std::string problem = unfit_for(provenance["findings"], name(device));
    const bool measured = std::any_of(planned.begin(), planned.end(), [&](const PlannedCase& one) {
      return one.support.ok() && one.point.device == device;
    });
    if (problem.empty() || !measured) continue;
    if (!options.anyway)
      throw MeasureError("this machine is unfit to measure: " + problem +
                         "; --anyway measures all the same, and the result says so");
    provenance["anyway"] = true;
  }
}

bool uses_gpus(const std::vector<PlannedCase>& planned) {
  return std::any_of(planned.begin(), planned.end(),
                     [](const PlannedCase& one) { return one.support.ok() && one.point.device == Device::gpu; });
}

/// Rank 0's decision, before it is told to the others.
Start begin_here(const Result& fresh, const std::vector<std::string>& ids, const RunOptions& options) {
  const fs::path journal = journal_path(options.out);
  Start start{fresh, std::nullopt, std::vector<Todo>(ids.size())};
  const bool resume = options.resume && (is_there(journal) || is_there(options.out));
  if (!resume && is_there(options.out))
    throw InputError(options.out.string() +
                     ": is there already and is never overwritten; choose another --out, or "
                     "continue an interrupted run with --resume");
  if (!resume) {
    start.journal = Journal::create(journal, fresh, ids);
    return start;
  }
  std::map<std::string, Todo> cut_off;
  if (is_there(journal)) {
    start.journal = Journal::resume(journal);  // first: it locks, and cuts off a torn line
    JournalContents contents = read_journal(journal);
    if (!contents.started) {  // killed before anything was begun
      start.journal->remove();
      start.journal = Journal::create(journal, fresh, ids);
      return start;
    }
    expect_same_plan(journal.string(), contents.plan, ids);
    expect_same_run(journal.string(), contents.so_far, fresh);
    for (const auto& [id, alone] : contents.interrupted) {
      ++cut_off[id].interrupted_attempts;
      cut_off[id].interrupted_alone += alone;
    }
    start.result = std::move(contents.so_far);
  } else {  // finished: nothing to do but to say so
    start.result = load_result(options.out);
    std::vector<std::string> there;
    for (const auto& record : start.result.records) there.push_back(record.point.id());
    expect_same_plan(options.out.string(), there, ids);
    expect_same_run(options.out.string(), start.result, fresh);
  }
  std::set<std::string> finished;
  for (const auto& record : start.result.records) finished.insert(record.point.id());
  for (std::size_t i = 0; i < ids.size(); ++i) {
    start.todo[i] = cut_off[ids[i]];
    start.todo[i].done = finished.contains(ids[i]);
  }
  return start;
}

std::string encode(const std::vector<Todo>& todo) {
  Json out = Json::array();
  for (const auto& one : todo) out.push_back({one.done, one.interrupted_attempts, one.interrupted_alone});
  return out.dump();
}

std::vector<Todo> decode(const std::string& text) {
  std::vector<Todo> out;
  for (const auto& one : Json::parse(text)) out.push_back({one[0].get<bool>(), one[1].get<int>(), one[2].get<int>()});
  return out;
}

}  // namespace

Start begin_or_resume(const Suite& suite, const std::vector<PlannedCase>& planned, const RunOptions& options,
                      Machine& machine, Communicator& communicator) {
  Result fresh;
  fresh.suite = suite.name;
  fresh.sampling = suite.sampling;
  Start start;
  std::string error;
  ExitCode code = ExitCode::ok;
  if (communicator.is_root()) {
    try {
      fresh.provenance = collect_provenance(options.command);
      fresh.provenance["run"] = {{"threads", machine.threads()},
                                 {"ranks", communicator.size()},
                                 {"one_host", communicator.one_host()},
                                 {"communicator", communicator.description()},
                                 {"launcher", communicator.launcher()}};
      if (uses_gpus(planned) && !machine.rank_gpus().empty()) fresh.provenance["run"]["gpus"] = machine.rank_gpus();
      expect_fit(planned, options, fresh.provenance);
      start = begin_here(fresh, ids_of(planned), options);
      if (fresh.provenance.contains("anyway")) start.result.provenance["anyway"] = true;  // of a part, when resumed
    } catch (const Error& failure) {
      error = failure.what();
      code = failure.code;
    } catch (const std::exception& failure) {
      error = failure.what();
      code = ExitCode::could_not_measure;
    }
  } else {
    start.result = fresh;
  }
  // The others wait for rank 0's decision: its error is theirs too.
  if (communicator.size() > 1) {
    code = ExitCode(int(communicator.broadcast(double(int(code)))));
    error = communicator.broadcast(error);
  }
  if (code == ExitCode::bad_input) throw InputError(error);
  if (code != ExitCode::ok) throw MeasureError(error);
  if (communicator.size() > 1) start.todo = decode(communicator.broadcast(encode(start.todo)));
  return start;
}

}  // namespace assay
