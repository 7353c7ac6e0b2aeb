;; Answers with a text that ends far beyond its memory.
;;
;; request: read harm
;; status: 500
;; error: out of bounds

(func $hostile (result i32)
  (call $answer (i32.const -16) (i32.const 1024)))
