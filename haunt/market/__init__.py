"""What the market is: venues' books and trades in, one price, one book, candles and signals out."""
