"""The USD-M futures protocol of Binance, read and written: requests, answers, streams."""
