#include "cli/template/template.h"

#include <gtest/gtest.h>

namespace hako::cli {
namespace {

const Json kData = {
    {"ID", "abc"},
    {"Count", 3},
    {"Ratio", 0.5},
    {"Running", true},
    {"Nothing", nullptr},
    {"State", {{"Status", "running"}, {"ExitCode", 0}}},
    {"Labels", {{"b", "2"}, {"a.b/c", "1"}}},
    {"Names", {"x", "y"}},
    {"Mounts", Json::array()},
};

std::string render(std::string_view text) {
    const auto parsed = Template::parse(text);
    if (!parsed) return "error: " + parsed.error().message();
    const auto out = parsed->render(kData, {{"Label", {{"key", "value"}}}});
    return out ? *out : "error: " + out.error().message();
}

struct Case {
    const char* text;
    const char* expected;
};

class TemplateRenders : public testing::TestWithParam<Case> {};

TEST_P(TemplateRenders, AsGoDoes) { EXPECT_EQ(render(GetParam().text), GetParam().expected); }

INSTANTIATE_TEST_SUITE_P(
    All, TemplateRenders,
    testing::Values(
        Case{"plain", "plain"}, Case{"", ""}, Case{"{{.ID}}:{{ .State.Status }}", "abc:running"},
        Case{"{{.Count}} {{.Running}} {{.Ratio}} {{.Nothing}}", "3 true 0.5 <no value>"},
        Case{"{{.Names}} {{.Labels}}", "[x y] map[a.b/c:1 b:2]"},
        Case{"{{json .State}}", R"({"ExitCode":0,"Status":"running"})"},
        Case{"{{.Names | json}}", R"(["x","y"])"},
        Case{R"({{index .Labels "a.b/c"}}{{index .Names 1}}{{index .Labels "none"}})", "1y"},
        Case{R"({{"\n"}}{{"\t\"q\""}}{{`\n`}})", "\n\t\"q\"\\n"},
        Case{"{{range .Names}}<{{.}}>{{end}}", "<x><y>"},
        Case{"{{range $i, $n := .Names}}{{$i}}={{$n}};{{end}}", "0=x;1=y;"},
        Case{"{{range $k, $v := .Labels}}{{$k}}={{$v}};{{end}}", "a.b/c=1;b=2;"},
        Case{"{{range .Mounts}}m{{else}}none{{end}}", "none"},
        Case{"{{range .Names}}{{$.ID}}{{end}}", "abcabc"},
        Case{"{{if .Running}}up{{else}}down{{end}}", "up"},
        Case{"{{if .Mounts}}a{{else if eq .Count 3}}b{{else}}c{{end}}", "b"},
        Case{"{{if and .Running (gt .Count 2)}}yes{{end}}", "yes"},
        Case{"{{with .State}}{{.Status}}{{end}}", "running"},
        Case{"{{$s := .State}}{{$s.Status}}", "running"},
        Case{"{{(index .Names 0)}} {{len .Names}} {{len .ID}}", "x 2 3"},
        Case{"{{upper .ID}}{{lower \"AB\"}}{{title \"one two\"}}", "ABCabOne Two"},
        Case{"{{join .Names \"-\"}} {{index (split \"a,b\" \",\") 1}}", "x-y b"},
        Case{"{{printf \"%s=%d|%5s|%-4s|%q|%%\" .ID .Count \"r\" \"l\" \"q\"}}",
             "abc=3|    r|l   |\"q\"|%"},
        Case{"{{truncate .ID 2}}{{pad .ID 1 2}}|", "ab abc  |"},
        Case{"{{println .ID .Count}}{{print .Count .Count}}", "abc 3\n3 3"},
        Case{"a {{- .ID -}} b", "aabcb"}, Case{"a{{/* note */}}b", "ab"},
        Case{"{{.Label \"key\"}}{{.Label \"none\"}}", "value"}, Case{"{{not .Running}}", "false"},
        Case{"{{eq .Count 1 2 3}}{{ne .Count 3}}", "truefalse"}));

class TemplateRefuses : public testing::TestWithParam<const char*> {};

TEST_P(TemplateRefuses, WithASentence) {
    const auto out = render(GetParam());
    EXPECT_TRUE(out.starts_with("error: ")) << out;
    EXPECT_GT(out.size(), 20U);
}

INSTANTIATE_TEST_SUITE_P(All, TemplateRefuses,
                         testing::Values("{{", "{{.ID", "{{}}", "{{.None}}", "{{.ID.Sub}}",
                                         "{{.Nothing.Sub}}", "{{if .ID}}", "{{end}}", "{{else}}",
                                         "{{range .Count}}{{end}}", "{{nosuch .ID}}",
                                         "{{template \"x\"}}", "{{index .Names 9}}",
                                         "{{index .Names -1}}", "{{\"open}}", "{{`open}}",
                                         "{{$undefined}}", "{{.ID .Count}}", "{{(.ID}}",
                                         "{{.ID |}}", "{{printf \"%d\"}}", "{{printf \"%x\" 1}}",
                                         "{{1x}}", "{{pad .ID 99999999 1}}", "{{json}}",
                                         "{{/* open"));

TEST(Template, NamesWhatIsNotSupported) {
    EXPECT_NE(render("{{define \"x\"}}").find("define"), std::string::npos);
}

}  // namespace
}  // namespace hako::cli
