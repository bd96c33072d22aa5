#include "macos/serial.h"

#include <gtest/gtest.h>

#include <random>

namespace hako::macos {
namespace {

Draw fixed_draw(unsigned seed) {
    return [generator = std::mt19937(seed)](std::uint32_t bound) mutable {
        return static_cast<std::uint32_t>(generator() % bound);
    };
}

const Model& imac_pro() {
    for (const auto& model : all_models())
        if (model.product == kDefaultModel) return model;
    std::abort();
}

TEST(Serial, ReadsOneThatWasBuilt) {
    const auto serial = read_serial("C02VV5RFHX87", imac_pro());
    ASSERT_TRUE(serial);
    EXPECT_EQ(serial->plant, "C02");
    EXPECT_EQ(serial->date.year, 2017);
    EXPECT_EQ(serial->date.week, 50);
    EXPECT_EQ(serial->line, 5 * 68 + 25 * 34 + 15);
    EXPECT_EQ(serial->model_code, "HX87");
}

TEST(Serial, WhatIsDrawnIsReadBack) {
    const auto draw = fixed_draw(1);
    for (const auto& model : all_models())
        for (int i = 0; i < 300; ++i) {
            const auto drawn = draw_serial(model, draw);
            const auto text = write_serial(drawn);
            ASSERT_TRUE(text) << text.error().message();
            ASSERT_EQ(text->size(), 12U);
            const auto read = read_serial(*text, model);
            ASSERT_TRUE(read) << *text << ": " << read.error().message();
            EXPECT_EQ(read->date.year, drawn.date.year) << *text;
            EXPECT_EQ(read->date.week, drawn.date.week) << *text;
            EXPECT_EQ(read->line, drawn.line) << *text;
            EXPECT_EQ(read->model_code, model.model_code);
            EXPECT_EQ(read->plant, model.plant());
        }
}

TEST(Serial, EveryLineHasATextOfItsOwn) {
    Serial serial{.plant = "C02", .date = {2017, 3}, .line = 0, .model_code = "HX87"};
    for (serial.line = 0; serial.line < kLines; ++serial.line)
        EXPECT_EQ(read_serial(write_serial(serial).value(), imac_pro()).value().line, serial.line);
}

TEST(Serial, SaysWhatIsWrong) {
    const auto why = [](std::string_view text) {
        const auto read = read_serial(text, imac_pro());
        return read ? std::string() : read.error().message();
    };
    EXPECT_NE(why("C02VV5RFHX8").find("12 characters"), std::string::npos);
    EXPECT_NE(why("C02VV5RFHX8O").find("without I and O"), std::string::npos);
    EXPECT_NE(why("C02AV5RFHX87").find("no year"), std::string::npos);
    EXPECT_NE(why("C02VA5RFHX87").find("no week"), std::string::npos);
    EXPECT_NE(why("C02CY5RFHX87").find("no week"), std::string::npos);  // week 53, first half
    EXPECT_FALSE(write_serial({.plant = "C02", .date = {2009, 3}, .model_code = "HX87"}));
    EXPECT_FALSE(write_serial({.plant = "C02", .date = {2017, 54}, .model_code = "HX87"}));
    EXPECT_FALSE(
        write_serial({.plant = "C02", .date = {2017, 1}, .line = 3400, .model_code = "HX87"}));
}

TEST(Mlb, EveryModelAndYearHasOne) {
    const auto draw = fixed_draw(2);
    for (const auto& model : all_models())
        for (int year = model.first_year; year <= model.last_year; ++year)
            for (const int week : {1, 2, 9, 26, 27, 52, 53}) {
                const auto mlb = draw_mlb(model, {year, week}, draw);
                ASSERT_TRUE(mlb) << model.product << " " << year << " " << week;
                ASSERT_TRUE(check_mlb(*mlb)) << *mlb;
                const auto built =
                    week == 1 ? ProductionDate{year - 1, kWeeks} : ProductionDate{year, week - 1};
                EXPECT_EQ(mlb->substr(3, 3), fmt::format("{}{:02}", built.year % 10, built.week));
                EXPECT_EQ(mlb->substr(11, 4), model.board_code);
            }
}

TEST(Mlb, AMistypedCharacterBreaksTheChecksum) {
    const auto mlb = draw_mlb(imac_pro(), {2018, 20}, fixed_draw(3)).value();
    constexpr std::string_view kDigits = "0123456789ABCDEFGHJKLMNPQRSTUVWXYZ";
    for (std::size_t i = 0; i < mlb.size(); ++i)
        for (const char c : kDigits) {
            auto other = mlb;
            other[i] = c;
            EXPECT_EQ(check_mlb(other).has_value(), other == mlb) << other;
        }
    EXPECT_FALSE(check_mlb(mlb.substr(1)));
    EXPECT_FALSE(check_mlb("O" + mlb.substr(1)));
}

}  // namespace
}  // namespace hako::macos
