// A destination with connections that do whatever they may: no job is lost, and mail always flows again.
#include "smtp-client/destination.h"

#include <catch2/catch.hpp>
#include <map>
#include <random>

using namespace hikyaku;
using namespace hikyaku::smtp_client;

namespace {

const Verdict kRefused{ipc::Outcome::kDeferred, "4.3.2", {}, "too busy"};
constexpr size_t kLimit = 6;

// What became of each job.
class Answers final : public JobSink {
 public:
  void finished(std::unique_ptr<Job> job, const AttemptFacts& facts, const std::vector<Verdict>& verdicts) override {
    ++answers[job->number];
    texts.push_back(verdicts.front().text);
    all_time_was_set_up = facts.connecting == std::chrono::duration_cast<event::Duration>(facts.begun - job->received);
  }
  void returned(std::unique_ptr<Job> job, std::string_view) override { ++answers[job->number]; }

  std::map<uint64_t, int> answers;
  std::vector<std::string> texts;
  bool all_time_was_set_up = false;
};

class FakeConnection final : public Carrier {
 public:
  FakeConnection(CarrierOwner& owner, JobSink& sink, bool refused) : owner_(owner), sink_(sink), refused_(refused) {}

  void open() override {
    if (refused_) fail();
  }
  void start(std::unique_ptr<Job> job) override {
    REQUIRE((free_ && !gone_));
    free_ = idle_ = false;
    jobs_.push_back(std::move(job));
  }
  void quit() override {
    quitting_ = true;
    idle_ = false;
    if (!open_) end();
  }
  bool is_open() const override { return open_; }
  bool idle() const override { return idle_; }
  event::Monotonic idle_since() const override { return {}; }
  event::Monotonic begun() const override { return {}; }

  bool gone() const { return gone_; }
  bool quitting() const { return quitting_; }
  bool busy() const { return !jobs_.empty(); }

  // ---- what a server can do

  void fail() {
    gone_ = true;
    owner_.not_opened(*this, kRefused, "hop[192.0.2.1]:25");
  }
  void welcome() {
    open_ = true;
    become_free();
    rest();
  }
  // The content of the only job is sent: the next one may follow.
  void pipeline() {
    if (jobs_.size() == 1 && !free_ && !quitting_) become_free();
  }
  void finish_job() {
    if (jobs_.empty()) return;
    sink_.finished(take(), {}, {Verdict{ipc::Outcome::kSent, "2.0.0", {}, "Ok"}});
    if (jobs_.empty() && !free_ && !quitting_) become_free();
    rest();
  }
  // Whatever runs first has its result, what runs behind it was not offered.
  void hang_up(bool first_too) {
    if (!jobs_.empty() && !first_too) sink_.finished(take(), {}, {kRefused});
    while (!jobs_.empty()) owner_.give_back(take());
    end();
  }
  void grow_old() {
    if (idle_) owner_.idle_too_long(*this);
  }

 private:
  std::unique_ptr<Job> take() {
    std::unique_ptr<Job> job = std::move(jobs_.front());
    jobs_.pop_front();
    return job;
  }
  void become_free() {
    free_ = true;
    owner_.ready(*this);
  }
  void rest() {
    if (!jobs_.empty() || idle_ || gone_) return;
    if (quitting_) return end();
    idle_ = true;
    owner_.became_idle(*this);
  }
  void end() {
    gone_ = true;
    owner_.closed(*this);
  }

  CarrierOwner& owner_;
  JobSink& sink_;
  const bool refused_;
  std::deque<std::unique_ptr<Job>> jobs_;
  bool open_ = false;
  bool free_ = false;
  bool idle_ = false;
  bool quitting_ = false;
  bool gone_ = false;
};

// The destination's surroundings, and the chance that drives them.
class World final : public DestinationKeeper {
 public:
  explicit World(unsigned seed) : random_(seed) {}

  void look_up(const std::string&, bool, Resolver::Done done) override {
    if (one_in(2)) return answer(done);
    asked_.push_back(std::move(done));
  }
  std::unique_ptr<Carrier> make_connection(CarrierOwner& owner, const std::string&, uint16_t,
                                           const std::vector<net::Address>&) override {
    auto made = std::make_unique<FakeConnection>(owner, answers, !well && one_in(4));
    alive_.push_back(made.get());
    ++connections_made;
    return made;
  }
  void bury(std::unique_ptr<Carrier> connection) override {
    REQUIRE(connection);
    auto* buried = static_cast<FakeConnection*>(connection.get());
    CHECK(buried->gone());
    CHECK_FALSE(buried->busy());
    std::erase(alive_, buried);
    graves_.push_back(std::move(connection));
  }
  void connection_idle() override {}
  void look_soon() override { look_wanted_ = true; }
  void tidy_soon() override {}

  void add_job() {
    auto job = std::make_unique<Job>();
    job->number = ++jobs;
    job->received = event::Monotonic(std::chrono::milliseconds(1000));  // behind begun() of the connections
    destination.add(std::move(job));
  }

  void step() {
    switch (random_() % 8) {
      case 0:
        return add_job();
      case 1:
        return look_again();
      case 2:
        return answer_one();
      case 3:
        if (one_in(20)) destination.return_waiting("for once");
        return;
      default:
        if (!alive_.empty()) happen_to(*alive_[random_() % alive_.size()]);
    }
  }

  void answer_names() {
    while (!asked_.empty()) answer_one();
  }

  // Until all jobs have their answer.
  void go_well() {
    well = true;
    for (int turn = 0; turn < 200 && answers.answers.size() < jobs; ++turn) {
      answer_names();
      for (FakeConnection* each : std::vector(alive_)) {
        if (each->gone()) continue;
        if (each->is_open())
          each->finish_job();
        else
          each->welcome();
      }
      look_again();
    }
  }

  void hang_up_all() {
    while (!alive_.empty()) {
      FakeConnection& each = *alive_.front();
      if (each.is_open())
        each.hang_up(false);
      else
        each.fail();
    }
  }

  void check() {
    graves_.clear();
    size_t kept = 0;
    for (const FakeConnection* each : alive_) kept += !each->quitting();
    CHECK(kept <= kLimit);
    for (const auto& [number, count] : answers.answers) CHECK(count == 1);
  }

  bool one_in(unsigned n) { return random_() % n == 0; }
  const std::vector<FakeConnection*>& alive() const { return alive_; }

 private:
  void answer(const Resolver::Done& done) {
    if (!well && one_in(8)) return done(util::temporary("no name server"));
    done(std::vector{*net::Address::parse("192.0.2.1", 0)});
  }
  void answer_one() {
    if (asked_.empty()) return;
    const Resolver::Done done = std::move(asked_.front());
    asked_.pop_front();
    answer(done);
  }
  void look_again() {
    if (std::exchange(look_wanted_, false)) destination.look_again();
  }
  void happen_to(FakeConnection& connection) {
    // One that ends as if it had been open breaks its word, and must not cost the destination a place.
    if (!connection.is_open() && one_in(8)) return connection.hang_up(false);
    if (!connection.is_open()) return one_in(2) ? connection.fail() : connection.welcome();
    switch (random_() % 8) {
      case 0:
        return connection.hang_up(one_in(2));
      case 1:
        return connection.grow_old();
      case 2:
      case 3:
        return connection.pipeline();
      default:
        return connection.finish_job();
    }
  }

  static Config config() {
    Config made;
    made.connections_per_destination = kLimit;
    return made;
  }

  std::mt19937 random_;
  std::vector<FakeConnection*> alive_;
  std::vector<std::unique_ptr<Carrier>> graves_;
  std::deque<Resolver::Done> asked_;
  bool look_wanted_ = false;
  const Config config_ = config();

 public:
  Answers answers;
  bool well = false;  // the next hop
  uint64_t jobs = 0;
  size_t connections_made = 0;
  Destination destination{config_, answers, *this, "hop", 25, false};
};

}  // namespace

TEST_CASE("whatever connections do, each job has one answer and mail flows again (row 45)") {
  for (unsigned seed = 1; seed <= 300; ++seed) {
    CAPTURE(seed);
    World world(seed);
    for (int i = 0; i < 200; ++i) {
      world.step();
      world.check();
    }
    if (world.one_in(2)) world.hang_up_all();
    world.add_job();
    world.go_well();
    world.check();
    REQUIRE(world.answers.answers.size() == world.jobs);
    world.hang_up_all();
    CHECK(world.destination.unused());
  }
}

TEST_CASE("a drain at any moment gives all jobs back and ends all connections (row 29)") {
  for (unsigned seed = 1; seed <= 100; ++seed) {
    CAPTURE(seed);
    World world(seed);
    for (unsigned i = 0; i < seed; ++i) world.step();
    world.destination.drain();
    for (const FakeConnection* each : world.alive()) CHECK(each->is_open());
    world.go_well();
    world.check();
    CHECK(world.answers.answers.size() == world.jobs);
  }
}

TEST_CASE("connections that are never opened leave room for the next, and their text is the verdict") {
  World world(1);
  world.well = true;
  for (size_t round = 1; round <= 5 * kLimit; ++round) {
    world.add_job();
    world.answer_names();
    REQUIRE(world.alive().size() == 1);
    world.hang_up_all();
    CHECK(world.connections_made == round);
    REQUIRE(world.answers.texts.size() == round);
    CHECK(world.answers.texts.back() == "too busy");
    CHECK(world.answers.all_time_was_set_up);
  }
}
