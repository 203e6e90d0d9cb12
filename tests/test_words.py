"""Words of every script: marks belong to their letter, in whatever way a text spells them."""

from __future__ import annotations

import random
import unicodedata

import pytest

import variegate as vg
from variegate.views.tags.words import words_of

# Real words of each language: no two of a list share a pair of neighbouring signs of which tags could be made by mistake.
SCRIPTS = {
    "Hindi": "किताब कंप्यूटर चिड़िया त्योहार दरवाज़ा",
    "Bengali": "বাংলাদেশ কম্পিউটার পৃথিবী",
    "Tamil": "கணினி புத்தகம் மொழியியல்",
    "Telugu": "పుస్తకము కంప్యూటరు",
    "Malayalam": "മലയാളം പുസ്തകം",
    "Kannada": "ಪುಸ್ತಕ ಕನ್ನಡ",
    "Gujarati": "પુસ્તક ગુજરાતી",
    "Panjabi": "ਪੰਜਾਬੀ ਕਿਤਾਬਾਂ",
    "Sinhala": "පොත්කඩය සිංහල",
    "Nepali, two syllables": "घर जल",
    "Korean": "한국어 컴퓨터를 문화",
    "Thai": "คอมพิวเตอร์ ประตู",
    "Lao": "ຄອມພິວເຕີ ປະຕູ",
    "Burmese": "ကွန်ပျူတာ စာအုပ်",
    "Khmer": "កុំព្យូទ័រ សៀវភៅ",
    "Arabic with vowels": "كِتَابٌ مَدْرَسَة",
    "Persian with a joiner": "می\u200cخواهم کتاب\u200cخانه",
    "Hebrew with points": "שָׁלוֹם עֲבוֹדָה",
    "French": "château élève don't",
    "Vietnamese": "trường nghiệp",
    "Greek": "άνθρωπος θάλασσα",
    "Russian": "словарь йогурт",
    "Amharic": "ቋንቋ መጽሐፍ",
    "Georgian": "წიგნი ქართული",
    "Tibetan": "བོད་ཡིག",
}


@pytest.mark.parametrize("form", ["NFC", "NFD"])
@pytest.mark.parametrize("language", SCRIPTS)
def test_a_word_is_whole_in_every_script_and_spelling(language, form):
    text = SCRIPTS[language]
    expected = [unicodedata.normalize("NFC", word) for word in text.replace("་", " ").split()]
    assert [word for word in words_of(unicodedata.normalize(form, text)) if word] == expected


def test_long_runs_without_spaces_are_pairs_of_letters_with_their_marks():
    found = [word for word in words_of("คอมพิวเตอร์อยู่บนโต๊ะและประตูเปิดอยู่") if word]
    assert "พิว" in found
    assert not any(unicodedata.category(word[0]) == "Mn" for word in found)
    assert [word for word in words_of("我想学习") if word] == ["我想", "想学", "学习"]


def test_what_is_not_seen_parts_no_word():
    assert list(words_of("in\u00adfor\u00adma\u00adtion \u200fשלום\u200e")) == ["information", "שלום"]
    assert list(words_of("សៀវភៅ\u200bថ្មី")) == ["សៀវភៅ", "ថ្មី"]


@pytest.mark.parametrize("language", ["Hindi", "Thai", "Korean", "French"])
def test_keyphrases_are_whole_words(language):
    rng = random.Random(3)
    words = [word for word in SCRIPTS[language].split() if len(word) > 2]
    filler = ["".join(rng.choice("bdfgklmnprst") + rng.choice("aeiou") for _ in range(4)) for _ in range(900)]
    rows = []
    for at in range(300):
        own = rng.sample(words, 2) if at % 10 == 0 else []
        rows.append({"instruction": "x", "response": unicodedata.normalize("NFD", " ".join([*own, *rng.sample(filler, 3)]))})
    corpus = vg.load(rows)
    tags = corpus.tags("response", "keyphrases", corpus)
    found = {name for name in tags.names.values() if not name.isascii()}
    whole = {unicodedata.normalize("NFC", word) for word in words}
    assert found
    assert {part for name in found for part in name.split()} <= whole
