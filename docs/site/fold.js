/* Words without marks and English endings, as plain_search.py has them in the index. */
const fold = (text) =>
  text.toLowerCase().normalize("NFD").replaceAll("đ", "d").replace(/[\u0300-\u036f]/g, "");
const english = new EnglishStemmer();
class Stemmer {
  stemWord(word) {
    return english.stemWord(fold(word));
  }
}
