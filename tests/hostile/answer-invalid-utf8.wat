;; Answers with a text that is half of a surrogate pair, which is not UTF-8.
;;
;; request: read harm
;; status: 500
;; error: utf-8

(data (i32.const 4096) "{\22a\22:\22\ed\a0\80\22}")
(func $hostile (result i32)
  (call $answer (i32.const 4096) (i32.const 11)))
