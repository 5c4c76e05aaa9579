// Every message between daemons: round trip, and no bytes that a decoder could not bear.
#include "ipc/codec.h"

#include <catch2/catch.hpp>

#include <deque>
#include <random>
#include <set>

#include "os/file.h"
#include "t/lib/ipc/all_messages.h"

using namespace hikyaku::ipc;

namespace {

// How many members a struct has, whatever its list of fields says.
struct Anything {
  template <class T>
  operator T() const;
};
template <class T, class... Members>
consteval size_t members() {
  if constexpr (requires { T{Members{}..., Anything{}}; })
    return members<T, Members..., Anything>();
  else
    return sizeof...(Members);
}
template <class T>
constexpr bool lists_all_members() {
  return std::tuple_size_v<std::remove_cv_t<decltype(FieldsOf<T>::value)>> == members<T>();
}

// Random content, the same in every run.
class Filler {
 public:
  explicit Filler(unsigned seed) : random_(seed) {}

  template <class T>
  void fill(T& value) {
    if constexpr (std::same_as<T, bool>) {
      value = random_() % 2 == 1;
    } else if constexpr (std::is_enum_v<T>) {
      value = static_cast<T>(random_() % (static_cast<unsigned>(T::kLast) + 1));
    } else if constexpr (Number<T>) {
      value = static_cast<T>(random_() >> random_() % 64);
    } else if constexpr (Text<T>) {
      value = text();
    } else if constexpr (is_vector<T>) {
      value.resize(random_() % 4);
      for (auto& element : value) fill(element);
    } else {
      std::apply([&](auto... member) { (fill(value.*member), ...); }, FieldsOf<T>::value);
    }
  }

 private:
  const std::string& text() {
    std::string& made = texts_.emplace_back();
    for (size_t left = random_() % 4 == 0 ? 0 : random_() % 40; left > 0; --left) made += static_cast<char>(random_());
    return made;
  }

  std::mt19937_64 random_;
  std::deque<std::string> texts_;  // views point into it
};

template <class T>
bool same(const T& a, const T& b) {
  if constexpr (Number<T> || Text<T>) {
    return a == b;
  } else if constexpr (is_vector<T>) {
    return a.size() == b.size() &&
           std::equal(a.begin(), a.end(), b.begin(), [](const auto& x, const auto& y) { return same(x, y); });
  } else {
    return std::apply([&](auto... member) { return (same(a.*member, b.*member) && ...); }, FieldsOf<T>::value);
  }
}

}  // namespace

TEST_CASE("no member of a message is left out of its list of fields") {
  for_each_message([]<class M>() {
    CAPTURE(M::kType);
    CHECK(lists_all_members<M>());
  });
  CHECK(lists_all_members<hikyaku::queue::QueueId>());
  CHECK(lists_all_members<hikyaku::queue::Place>());
  CHECK(lists_all_members<AppendedEntry>());
  CHECK(lists_all_members<InHand>());
  CHECK(lists_all_members<RecordToMove>());
  CHECK(lists_all_members<JobRecipient>());
  CHECK(lists_all_members<RecipientResult>());
  CHECK(lists_all_members<ReportedRecipient>());
  CHECK(lists_all_members<Selection>());
  CHECK(lists_all_members<ListedRecipient>());
  CHECK(lists_all_members<ListenerGiven>());
  CHECK(lists_all_members<ServiceStatus>());
}

TEST_CASE("no message is left out of these tests") {
  const auto source = hikyaku::os::read_file("lib/ipc/messages.h");
  REQUIRE(source);
  size_t declared = 0, tried = 0;
  for (size_t at = source->find("kType ="); at != source->npos; at = source->find("kType =", at + 1)) ++declared;
  for_each_message([&]<class M>() { ++tried; });
  CHECK(tried == declared);
}

TEST_CASE("every type of frame has a number of its own") {
  std::set<uint16_t> numbers;
  size_t count = 0;
  for_each_message([&]<class M>() {
    numbers.insert(M::kType);
    ++count;
  });
  CHECK(numbers.size() == count);
}

TEST_CASE("every message comes out as it went in") {
  for (unsigned seed = 1; seed <= 50; ++seed) {
    for_each_message([&]<class M>() {
      CAPTURE(M::kType, seed);
      Filler filler(seed);
      M sent, received;
      filler.fill(sent);
      Filler(seed + 1000).fill(received);  // what stood there before must be gone
      const std::string bytes = encoded(sent);
      REQUIRE(decode_all(std::string_view(bytes), received));
      CHECK(same(sent, received));
      CHECK(dump(sent) == dump(received));
    });
  }
}

TEST_CASE("a message that is cut short is refused at every length, and so is one with more behind it") {
  for_each_message([&]<class M>() {
    for (unsigned seed = 1; seed <= 5; ++seed) {
      CAPTURE(M::kType, seed);
      Filler filler(seed);
      M sent;
      filler.fill(sent);
      const std::string bytes = encoded(sent);
      for (size_t length = 0; length < bytes.size(); ++length) {
        // A copy of exact size, so that the sanitizer sees a read beyond it.
        const std::vector<char> piece(bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(length));
        M received;
        if (decode_all(std::string_view(piece.data(), piece.size()), received)) FAIL("taken at length " << length);
      }
      M received;
      CHECK_FALSE(decode_all(std::string_view(bytes + '\0'), received));
    }
  });
}

TEST_CASE("a message with one wrong byte is refused, or is the message that those bytes mean") {
  for_each_message([&]<class M>() {
    Filler filler(7);
    M sent;
    filler.fill(sent);
    const std::string bytes = encoded(sent);
    CAPTURE(M::kType);
    for (size_t at = 0; at < bytes.size(); ++at) {
      for (const int change : {0x01, 0x02, 0x10, 0x80, 0xFF}) {
        std::vector<char> wrong(bytes.begin(), bytes.end());
        wrong[at] = static_cast<char>(wrong[at] ^ change);
        const std::string_view seen(wrong.data(), wrong.size());
        M received;
        const bool borne = !decode_all(seen, received) || encoded(received) == seen;
        if (!borne) FAIL("another message at byte " << at);
      }
    }
    SUCCEED("every byte changed");
  });
}

TEST_CASE("random bytes are borne by every decoder") {
  std::mt19937 random(11);
  for (int round = 0; round < 300; ++round) {
    std::vector<char> noise(random() % 120);
    // Many zeros, so that counts and lengths are small often enough to be believed.
    for (char& c : noise) c = random() % 3 == 0 ? static_cast<char>(random()) : '\0';
    const std::string_view seen(noise.data(), noise.size());
    for_each_message([&]<class M>() {
      M received;
      CHECK((!decode_all(seen, received) || encoded(received) == seen));
    });
  }
}

TEST_CASE("numbers are little-endian, text and lists have a count before them") {
  using namespace std::string_literals;
  CHECK(encoded(Drain{0x01020304}) == "\x04\x03\x02\x01"s);
  CHECK(encoded(CannotRun{"ab", -1}) == "\x02\0\0\0ab\xFF\xFF\xFF\xFF"s);
  CHECK(encoded(InHand{{1}, {2, 3}, 4}) == "\x01\0\0\0\0\0\0\0\x02\0\0\0\x02\0\0\0\x03\0\0\0\x04\0\0\0\0\0\0\0"s);
}

TEST_CASE("a hostile count does not ask for memory that was not sent") {
  std::string bytes;
  encode(uint32_t{5}, bytes);
  for (const uint32_t count : {0xFFFFFFFFu, 0x7FFFFFFFu, 1000u}) {
    bytes.resize(sizeof(uint32_t));
    encode(count, bytes);
    bytes.append(20, '\0');
    Available available;
    CHECK_FALSE(decode_all(std::string_view(bytes), available));
    CHECK(available.in_hand.capacity() <= 1024);
  }
}

TEST_CASE("what is neither true nor false, and what no value of an enumeration is, is refused") {
  bool flag = false;
  CHECK_FALSE(decode_all(std::string_view("\x02", 1), flag));
  Verb verb{};
  const char last = static_cast<char>(Verb::kLast), beyond = static_cast<char>(last + 1);
  CHECK(decode_all(std::string_view(&last, 1), verb));
  CHECK_FALSE(decode_all(std::string_view(&beyond, 1), verb));
  CHECK_FALSE(decode_all(std::string_view("\xFF", 1), verb));
}

TEST_CASE("a dump is one line for people, with long text shortened") {
  CHECK(dump(Acted{2, 1, {"A\n", "B"}}) == "{2, 1, [\"A\\012\", \"B\"], {0, [], \"\", 0}}");
  CHECK(dump(ShowMessage{std::string(81, 'x')}) == "{\"" + std::string(80, 'x') + "…\"}");
  CHECK(dump(Act{Verb::kHold, true, {}}) == "{2, 1, {0, [], \"\", \"\", \"\"}}");
}
